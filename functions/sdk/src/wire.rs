//! Requests and responses as bytes, as host and guest exchange them.
//!
//! Integers are unsigned, 32-bit and little-endian. A `text` is its length in bytes, followed
//! by the bytes.
//!
//! ```text
//! request  = method:text path:text query:text count:u32 (name:text value:text)* body:text
//! response = status:u32 count:u32 (name:text value:text)* body:text
//! ```
//!
//! A response with the status [`THREW`] says that the function threw: its body is the exception
//! as text. In the memory of a Wasm module, the length of the response precedes it.

use std::borrow::Cow;
use std::fmt;

use crate::{Request, Response};

/// The status of a response that says that the function threw.
pub const THREW: u16 = 0;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The message ends before a field does.
    Truncated,
    /// A field that is text is not UTF-8.
    NotUtf8,
    /// The status is neither in 200 to 599 nor [`THREW`].
    Status(u32),
    /// Bytes follow the last field.
    Trailing,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends in the middle of a field"),
            Self::NotUtf8 => f.write_str("a field of the message is not UTF-8"),
            Self::Status(status) => write!(f, "the status {status} is not between 200 and 599"),
            Self::Trailing => f.write_str("bytes follow the end of the message"),
        }
    }
}

impl std::error::Error for WireError {}

/// The exact number of bytes that [`encode_request`] will append.
pub fn request_len(request: &Request<'_>) -> usize {
    let headers: usize = request.headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    20 + request.method.len() + request.path.len() + request.query.len() + headers + request.body.len()
}

/// Appends a request to `out`.
pub fn encode_request(request: &Request<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + request_len(request), 0);
    write_request(request, &mut out[begin..]);
}

/// Writes a request into `room`, for example into a sandbox's memory.
///
/// # Panics
/// If `room` does not have [`request_len`] bytes.
pub fn write_request(request: &Request<'_>, room: &mut [u8]) {
    let mut writer = Writer { rest: room };
    for field in [request.method, request.path, request.query] {
        writer.put(field.as_bytes());
    }
    writer.put_len(request.headers.len());
    for (name, value) in &request.headers {
        writer.put(name.as_bytes());
        writer.put(value.as_bytes());
    }
    writer.put(request.body);
    assert!(writer.rest.is_empty(), "the room is larger than the request");
}

/// Reads a request that takes all of `bytes`.
pub fn decode_request(bytes: &[u8]) -> Result<Request<'_>, WireError> {
    let mut reader = Reader { rest: bytes };
    let (method, path, query) = (reader.str()?, reader.str()?, reader.str()?);
    let headers = reader.headers()?;
    let body = reader.bytes()?;
    reader.end()?;
    Ok(Request { method, path, query, headers, body })
}

/// The exact number of bytes that [`encode_response`] will append.
pub fn response_len(response: &Response) -> usize {
    let headers: usize = response.headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    12 + headers + response.body.len()
}

/// Appends a response to `out`.
pub fn encode_response(response: &Response, out: &mut Vec<u8>) {
    out.reserve(response_len(response));
    put_len(out, usize::from(response.status));
    put_len(out, response.headers.len());
    for (name, value) in &response.headers {
        put(out, name.as_bytes());
        put(out, value.as_bytes());
    }
    put(out, &response.body);
}

/// Appends the head of a response to `out`: a response whose body is empty.
pub fn encode_head(status: u16, headers: &[(&str, &str)], out: &mut Vec<u8>) {
    put_len(out, usize::from(status));
    put_len(out, headers.len());
    for (name, value) in headers {
        put(out, name.as_bytes());
        put(out, value.as_bytes());
    }
    put_len(out, 0);
}

/// A response that borrows from the buffer that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseParts<'a> {
    /// The status code, 200 to 599, or [`THREW`].
    pub status: u16,
    /// Headers in the order of the message.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The whole body.
    pub body: &'a [u8],
}

/// Reads a response that takes all of `bytes`. Copies nothing, so that the caller can check
/// limits first.
pub fn decode_response_parts(bytes: &[u8]) -> Result<ResponseParts<'_>, WireError> {
    let mut reader = Reader { rest: bytes };
    let status = reader.u32()?;
    if !(200..600).contains(&status) && status != u32::from(THREW) {
        return Err(WireError::Status(status));
    }
    let headers = reader.headers()?;
    let body = reader.bytes()?;
    reader.end()?;
    Ok(ResponseParts { status: status as u16, headers, body })
}

/// Reads a response that takes all of `bytes`.
pub fn decode_response(bytes: &[u8]) -> Result<Response, WireError> {
    let ResponseParts { status, headers, body } = decode_response_parts(bytes)?;
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let headers = headers.into_iter().map(|(name, value)| (owned(name), owned(value))).collect();
    Ok(Response { status, headers, body: body.to_vec() })
}

fn wire_len(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a message is far smaller than 4 GiB").to_le_bytes()
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&wire_len(len));
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

struct Writer<'a> {
    rest: &'a mut [u8],
}

impl Writer<'_> {
    fn raw(&mut self, bytes: &[u8]) {
        let (room, rest) = std::mem::take(&mut self.rest).split_at_mut(bytes.len());
        room.copy_from_slice(bytes);
        self.rest = rest;
    }

    fn put_len(&mut self, len: usize) {
        self.raw(&wire_len(len));
    }

    fn put(&mut self, bytes: &[u8]) {
        self.put_len(bytes.len());
        self.raw(bytes);
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The number of headers. It cannot exceed what the rest of the message can hold, so a
    /// hostile number reserves no memory.
    fn count(&mut self) -> Result<usize, WireError> {
        let count = self.u32()? as usize;
        if count > self.rest.len() / 8 { Err(WireError::Truncated) } else { Ok(count) }
    }

    fn headers(&mut self) -> Result<Vec<(&'a str, &'a str)>, WireError> {
        let count = self.count()?;
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push((self.str()?, self.str()?));
        }
        Ok(headers)
    }

    fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    fn str(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::NotUtf8)
    }

    fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_request_is_read_as_it_was_written(
            method in "[A-Z]{1,8}", path in ".*", query in ".*",
            headers in prop::collection::vec((".*", ".*"), 0..5),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let request = Request { method: &method, path: &path, query: &query, headers, body: &body };
            let mut bytes = Vec::new();
            encode_request(&request, &mut bytes);
            prop_assert_eq!(bytes.len(), request_len(&request));
            prop_assert_eq!(decode_request(&bytes).unwrap(), request);
            prop_assert_eq!(decode_request(&bytes[..bytes.len() - 1]), Err(WireError::Truncated));
        }

        #[test]
        fn a_response_is_read_as_it_was_written(
            status in 200u16..600, headers in prop::collection::vec((".*", ".*"), 0..5),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            let response = Response { status, headers, body };
            let mut bytes = Vec::new();
            encode_response(&response, &mut bytes);
            prop_assert_eq!(bytes.len(), response_len(&response));
            let parts = decode_response_parts(&bytes).unwrap();
            prop_assert_eq!((parts.status, parts.body), (response.status, response.body.as_slice()));
            let headers: Vec<_> = response.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            prop_assert_eq!(&parts.headers, &headers);
            let mut head = Vec::new();
            encode_head(response.status, &headers, &mut head);
            prop_assert_eq!(decode_response_parts(&head).unwrap(), ResponseParts { body: &[], ..parts });
            prop_assert_eq!(decode_response(&bytes).unwrap(), response);
            bytes.push(0);
            prop_assert_eq!(decode_response(&bytes), Err(WireError::Trailing));
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_request(&bytes);
            let _ = decode_response(&bytes);
        }
    }

    #[test]
    #[should_panic(expected = "larger than the request")]
    fn a_request_that_does_not_fill_its_room_panics() {
        let request = Request::default();
        write_request(&request, &mut vec![0; request_len(&request) + 1]);
    }

    #[test]
    fn a_status_that_is_not_final_is_refused() {
        let bytes = [100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode_response(&bytes), Err(WireError::Status(100)));
    }
}
