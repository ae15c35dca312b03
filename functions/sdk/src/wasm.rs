//! The exports of a function compiled to Wasm.
//!
//! The host calls `isolab_request(len)` and writes the request ([`crate::wire`]) to the
//! address that it returns. Then the host calls `isolab_handle()`, which returns the address
//! of the response's length (u32, little endian); the response follows. It stays valid until
//! the next call. A module has one thread, so one buffer for each direction is enough, and a
//! warm instance allocates nothing for them.

//!
//! A function whose bodies flow has `isolab_stream()` in addition ([`crate::stream`]).

#[cfg(target_os = "wasi")]
mod streaming;

use std::cell::RefCell;

use crate::{Request, Response, wire};
#[cfg(target_os = "wasi")]
pub use streaming::stream;

thread_local! {
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers { request: Vec::new(), response: Vec::new() }) };
}

struct Buffers {
    request: Vec<u8>,
    response: Vec<u8>,
}

/// Makes room for a request of `len` bytes, and returns its address.
pub fn request(len: usize) -> *mut u8 {
    BUFFERS.with_borrow_mut(|buffers| {
        buffers.request.clear();
        buffers.request.resize(len, 0);
        buffers.request.as_mut_ptr()
    })
}

/// Answers the request in the buffer, and returns the address of the response's length.
///
/// # Panics
/// If the request is malformed: host and guest disagree about the wire form.
pub fn handle(function: impl FnOnce(&Request<'_>) -> Response) -> *const u8 {
    BUFFERS.with_borrow_mut(|buffers| {
        let request = wire::decode_request(&buffers.request).expect("a request in the wire form");
        let response = function(&request);
        let len = wire::response_len(&response);
        buffers.response.clear();
        buffers.response.reserve(4 + len);
        buffers.response.extend_from_slice(&(len as u32).to_le_bytes());
        wire::encode_response(&response, &mut buffers.response);
        buffers.response.as_ptr()
    })
}
