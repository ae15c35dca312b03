//! Outbound requests of a Wasm module: the imports of the module `isolab_outbound`.
//!
//! A result of -1 is a failure, whose text [`reason`] gives.

use std::io;

use super::{Head, Request};
use crate::{Request as GuestRequest, wire};

/// A function that the host refused.
const REFUSED: i32 = -1;

/// The room for a head at first, in bytes.
const HEAD_BYTES: usize = 1 << 10;

/// The longest text of a failure, in bytes.
const REASON_BYTES: usize = 1 << 10;

#[link(wasm_import_module = "isolab_outbound")]
unsafe extern "C" {
    /// Begins the request in the wire form at `at`, whose path is the URL. Its body is whole, or comes
    /// by `write` if `flows` is 1. Returns the number of the exchange.
    fn send(at: *const u8, len: usize, flows: i32) -> i32;

    /// Waits until some of the bytes are taken, and returns their number.
    fn write(exchange: i32, at: *const u8, len: usize) -> i32;

    /// Ends the body that comes by `write`.
    fn end(exchange: i32) -> i32;

    /// Waits until a write would not wait, which returns 0, or until something of the answer is there,
    /// which returns 1.
    fn ready(exchange: i32) -> i32;

    /// Waits for the head of the answer, in the wire form of a response without a body. Returns its
    /// length, and writes the head if it fits.
    fn head(exchange: i32, at: *mut u8, len: usize) -> i32;

    /// Waits for bytes of the answer's body, and returns their number, 0 at the end.
    fn read(exchange: i32, at: *mut u8, len: usize) -> i32;

    /// Ends the exchange, whatever its state.
    fn close(exchange: i32);

    /// Writes the text of the last failure, cut to the room for it, and returns the length.
    fn reason(at: *mut u8, len: usize) -> i32;
}

/// One outbound request in the table of the host.
pub(super) struct Exchange(i32);

impl Exchange {
    /// With a whole body, or with one that comes.
    pub(super) fn begin(request: &Request<'_>, body: Option<&[u8]>) -> io::Result<Self> {
        let Request { method, url, headers } = *request;
        let request = GuestRequest {
            method,
            path: url,
            query: "",
            headers: headers.to_vec(),
            body: body.unwrap_or_default(),
        };
        let mut bytes = Vec::new();
        wire::encode_request(&request, &mut bytes);
        // SAFETY: the host reads the bytes during the call.
        let number = unsafe { send(bytes.as_ptr(), bytes.len(), i32::from(body.is_none())) };
        checked(number).map(|_| Self(number))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: the host reads the bytes during the call.
        checked(unsafe { write(self.0, bytes.as_ptr(), bytes.len()) })
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        // SAFETY: the host takes any number.
        checked(unsafe { end(self.0) }).map(|_| ())
    }

    /// Waits until a write would not wait, or until something of the answer is there. Tells whether it
    /// is.
    pub(super) fn has_news(&mut self) -> io::Result<bool> {
        // SAFETY: the host takes any number.
        checked(unsafe { ready(self.0) }).map(|news| news > 0)
    }

    pub(super) fn head(&mut self) -> io::Result<Head> {
        let mut room = vec![0; HEAD_BYTES];
        loop {
            // SAFETY: the host writes to the room during the call.
            let len = checked(unsafe { head(self.0, room.as_mut_ptr(), room.len()) })?;
            if let Some(bytes) = room.get(..len) {
                return decode(bytes);
            }
            room.resize(len, 0);
        }
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the host writes to the room during the call.
        checked(unsafe { read(self.0, room.as_mut_ptr(), room.len()) })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // SAFETY: the host takes any number.
        unsafe { close(self.0) };
    }
}

fn decode(bytes: &[u8]) -> io::Result<Head> {
    let parts = wire::decode_response_parts(bytes).map_err(io::Error::other)?;
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(Head { status: parts.status, headers: parts.headers.into_iter().map(owned).collect() })
}

/// A number of the host, or the failure that it tells of.
fn checked(number: i32) -> io::Result<usize> {
    if number != REFUSED {
        return Ok(number as usize);
    }
    let mut text = vec![0; REASON_BYTES];
    // SAFETY: the host writes to the text during the call.
    let len = unsafe { reason(text.as_mut_ptr(), text.len()) };
    text.truncate(len as usize);
    Err(io::Error::other(String::from_utf8_lossy(&text).into_owned()))
}
