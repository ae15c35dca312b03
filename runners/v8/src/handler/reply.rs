//! Makes a response of the web API's answer, `[status, [name, value, …], body]`.
//!
//! If the body is a stream, it is a function: it answers a promise, and passes the pieces on until
//! the promise has settled.

use bytes::Bytes;
use isolab_core::message::HEADERS_BYTES;
use isolab_core::{Cause, Response, message};

use crate::isolate::Failure;

/// The answer of a handler.
pub(crate) enum Reply<'s> {
    /// With its whole body.
    Whole(Response),
    /// The head of an answer whose body is a stream, and the function that passes its pieces on.
    Begun(http::Response<()>, v8::Local<'s, v8::Function>),
}

/// Reads an answer. A whole body has at most `limit` bytes.
pub(crate) fn read<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    answer: v8::Local<'_, v8::Value>,
    limit: u64,
) -> Result<Reply<'s>, Failure> {
    let answer = array(answer)?;
    let status = item(scope, answer, 0)?.uint32_value(scope).ok_or(Failure::Thrown)?;
    let status =
        u16::try_from(status).map_err(|_| Cause::InvalidResponse(format!("{status} is not a status")))?;
    let headers = item(scope, answer, 1)?;
    let headers = headers_of(scope, array(headers)?)?;
    let body = item(scope, answer, 2)?;
    if let Ok(pump) = v8::Local::<v8::Function>::try_from(body) {
        let head = message::response(status, headers, Bytes::new())?.map(|_| ());
        return Ok(Reply::Begun(head, pump));
    }
    let body = body_of(scope, body, limit)?;
    Ok(Reply::Whole(message::response(status, headers, body)?))
}

/// Name and value of a header.
pub(super) type Header = (Vec<u8>, Vec<u8>);

/// The headers of a flat array of names and values. All of them together have at most
/// [`HEADERS_BYTES`]: many headers may be one long string, which would be copied for each.
pub(super) fn headers_of(
    scope: &mut v8::PinScope<'_, '_>,
    headers: v8::Local<'_, v8::Array>,
) -> Result<Vec<Header>, Failure> {
    let mut left = HEADERS_BYTES;
    let mut text = |index| {
        let value = item(scope, headers, index)?;
        let value =
            v8::Local::<v8::String>::try_from(value).map_err(|_| malformed("a header is not a string"))?;
        left = left.checked_sub(value.length()).ok_or_else(too_large)?;
        byte_string(scope, value)
    };
    (0..headers.length() / 2).map(|pair| Ok((text(2 * pair)?, text(2 * pair + 1)?))).collect()
}

fn too_large() -> Failure {
    Cause::InvalidResponse(format!("its headers are larger than {HEADERS_BYTES} bytes")).into()
}

/// The bytes of a `ByteString`, a string whose characters are bytes.
fn byte_string(
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
) -> Result<Vec<u8>, Failure> {
    match v8::ValueView::new(scope, text).data() {
        v8::ValueViewData::OneByte(bytes) => Ok(bytes.to_vec()),
        v8::ValueViewData::TwoByte(_) => Err(malformed("a header has characters beyond U+00FF")),
    }
}

fn body_of(
    scope: &mut v8::PinScope<'_, '_>,
    body: v8::Local<'_, v8::Value>,
    limit: u64,
) -> Result<Bytes, Failure> {
    let within = |len: usize| {
        if len as u64 > limit { Err(Cause::ResponseTooLarge(limit)) } else { Ok(()) }
    };
    if let Ok(text) = v8::Local::<v8::String>::try_from(body) {
        // Each character takes at least one byte, so a text that must be too large is not copied.
        within(text.length())?;
        let view = v8::ValueView::new(scope, text);
        let bytes = match view.as_str() {
            Some(text) => Bytes::copy_from_slice(text.as_bytes()),
            None => Bytes::from(view.to_cow_lossy().into_owned()),
        };
        within(bytes.len())?;
        return Ok(bytes);
    }
    if let Ok(view) = v8::Local::<v8::Uint8Array>::try_from(body) {
        within(view.byte_length())?;
        return Ok(Bytes::copy_from_slice(view.get_contents(&mut [])));
    }
    if body.is_null() { Ok(Bytes::new()) } else { Err(malformed("the body is neither a string nor bytes")) }
}

fn array(value: v8::Local<'_, v8::Value>) -> Result<v8::Local<'_, v8::Array>, Failure> {
    value.try_into().map_err(|_| malformed("it is not an array"))
}

fn item<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    array: v8::Local<'_, v8::Array>,
    index: u32,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    array.get_index(scope, index).ok_or(Failure::Thrown)
}

fn malformed(reason: &str) -> Failure {
    Cause::InvalidResponse(format!("the web API's answer is malformed: {reason}")).into()
}
