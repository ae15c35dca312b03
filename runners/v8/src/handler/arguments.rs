//! A request as the web API takes it.

use http::HeaderMap;
use isolab_core::Request;

use super::natives;

/// The arguments of `dispatch`: handler, method, URL, headers and body. `None` if a text is
/// longer than V8 allows.
pub(super) fn of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    handler: &v8::Global<v8::Value>,
    request: &Request,
) -> Option<[v8::Local<'s, v8::Value>; 5]> {
    let body = if request.body.is_empty() {
        v8::null(scope).into()
    } else {
        natives::byte_array(scope, request.body.to_vec())?.into()
    };
    Some([
        v8::Local::new(scope, handler),
        internalised(scope, request.method.as_str())?.into(),
        v8::String::new(scope, &request.url())?.into(),
        headers(scope, &request.headers)?.into(),
        body,
    ])
}

/// The names and values of headers, alternating.
fn headers<'s>(scope: &v8::PinScope<'s, '_>, headers: &HeaderMap) -> Option<v8::Local<'s, v8::Array>> {
    let mut elements: Vec<v8::Local<'_, v8::Value>> = Vec::with_capacity(2 * headers.len());
    for (name, value) in headers {
        elements.push(internalised(scope, name.as_str())?.into());
        let value = v8::String::new_from_one_byte(scope, value.as_bytes(), v8::NewStringType::Normal)?;
        elements.push(value.into());
    }
    Some(v8::Array::new_with_elements(scope, &elements))
}

/// An ASCII string that the handler is likely to compare with its literals.
fn internalised<'s>(scope: &v8::PinScope<'s, '_>, text: &str) -> Option<v8::Local<'s, v8::String>> {
    v8::String::new_from_one_byte(scope, text.as_bytes(), v8::NewStringType::Internalized)
}
