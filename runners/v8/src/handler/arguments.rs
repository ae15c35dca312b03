//! A request as the web API takes it.

use arrayvec::ArrayVec;
use http::HeaderMap;
use isolab_core::Request;

use super::natives;
use super::tasks::BodyId;

/// The most arguments of `dispatch`.
const MOST: usize = 7;

/// The arguments of `dispatch`: handler, method, URL, headers and body; environment, if there is
/// one; and the number of the pieces that follow the body, if there are any. `None` if a text is
/// longer than V8 allows.
pub(super) fn of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    (handler, env): (&v8::Global<v8::Value>, Option<&v8::Global<v8::Object>>),
    request: &Request,
    rest: Option<BodyId>,
) -> Option<ArrayVec<v8::Local<'s, v8::Value>, MOST>> {
    let body = if request.body.is_empty() {
        v8::null(scope).into()
    } else {
        natives::byte_array(scope, &request.body)?.into()
    };
    let mut arguments = ArrayVec::from_iter([
        v8::Local::new(scope, handler),
        internalised(scope, request.method.as_str())?.into(),
        v8::String::new(scope, &request.url())?.into(),
        headers(scope, &request.headers)?.into(),
        body,
    ]);
    if env.is_some() || rest.is_some() {
        let undefined = || v8::undefined(scope).into();
        arguments.push(env.map_or_else(undefined, |env| v8::Local::new(scope, env).into()));
    }
    if let Some(rest) = rest {
        arguments.push(v8::Integer::new_from_unsigned(scope, rest).into());
    }
    Some(arguments)
}

/// The names and values of headers, alternating.
pub(super) fn headers<'s>(
    scope: &v8::PinScope<'s, '_>,
    headers: &HeaderMap,
) -> Option<v8::Local<'s, v8::Array>> {
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
