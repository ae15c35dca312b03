//! The export of a function compiled to a native library, and the C types that host and
//! library exchange.
//!
//! The host calls `isolab_call_CRATE` with a request and a place for the answer. The library hands
//! its response to [`Request::respond`] and frees it after that. Both sides only borrow, so
//! that neither frees what the other has allocated, and nothing is encoded: a call costs the
//! floor of all models a few nanoseconds.

use std::borrow::Cow;
use std::ffi::c_void;

use crate::{Request as GuestRequest, Response as GuestResponse};

/// The name of the exported symbol up to the name of the crate.
pub const SYMBOL_PREFIX: &str = "isolab_call_";

/// The type of the exported function.
///
/// # Safety
/// The request and everything that it leads to must be valid during the call.
pub type Call = unsafe extern "C" fn(request: &Request);

/// The name of the symbol of the initialisation up to the name of the crate. A function without
/// an initialisation has no such symbol.
pub const INITIALIZE_PREFIX: &str = "isolab_initialize_";

/// The type of the exported initialisation. It may be called more than once: only the first call
/// does anything.
pub type Initialize = extern "C" fn();

/// Bytes that the other side owns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Bytes {
    start: *const u8,
    len: usize,
}

impl Bytes {
    /// Borrows these bytes. They must stay where they are until the call ends.
    pub fn of(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes.
    ///
    /// # Safety
    /// The other side must keep them for the lifetime `'a`.
    pub unsafe fn get<'a>(self) -> &'a [u8] {
        // SAFETY: `of` took both from a slice, which the caller says still exists.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The bytes as text.
    ///
    /// # Safety
    /// As for [`Bytes::get`]; and they must be those of a text.
    pub unsafe fn text<'a>(self) -> &'a str {
        // SAFETY: the caller says so.
        unsafe { std::str::from_utf8_unchecked(self.get()) }
    }
}

/// A header.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// The name, a text.
    pub name: Bytes,
    /// The value, a text.
    pub value: Bytes,
    /// Whether the value is a constant of a library, which lives as long as the process.
    pub is_constant: bool,
}

/// Headers that the other side owns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Headers {
    start: *const Header,
    len: usize,
}

impl Headers {
    /// Borrows these headers. They must stay where they are until the call ends.
    pub fn of(headers: &[Header]) -> Self {
        Self { start: headers.as_ptr(), len: headers.len() }
    }

    /// The headers.
    ///
    /// # Safety
    /// The other side must keep them for the lifetime `'a`.
    pub unsafe fn get<'a>(self) -> &'a [Header] {
        // SAFETY: `of` took both from a slice, which the caller says still exists.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

/// A request, with the host's answer to a response.
#[derive(Debug)]
#[repr(C)]
pub struct Request {
    /// The method, a text.
    pub method: Bytes,
    /// The path, a text.
    pub path: Bytes,
    /// The query, a text.
    pub query: Bytes,
    /// Headers in the order in which they came.
    pub headers: Headers,
    /// The whole body.
    pub body: Bytes,
    /// Takes the response, which is valid until it returns.
    pub respond: unsafe extern "C" fn(to: *mut c_void, response: &Response),
    /// The first argument of `respond`.
    pub to: *mut c_void,
}

/// A response.
#[derive(Debug)]
#[repr(C)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in the order of the function.
    pub headers: Headers,
    /// The whole body.
    pub body: Bytes,
}

/// Answers a request of the host; what [`crate::export!`] calls.
///
/// # Safety
/// As for [`Call`].
pub unsafe fn call(request: &Request, function: impl FnOnce(&GuestRequest<'_>) -> GuestResponse) {
    // SAFETY: the caller says that everything is valid during this call, and nothing of it
    // outlives the call.
    let guest = unsafe {
        let header = |header: &Header| (header.name.text(), header.value.text());
        GuestRequest {
            method: request.method.text(),
            path: request.path.text(),
            query: request.query.text(),
            headers: request.headers.get().iter().map(header).collect(),
            body: request.body.get(),
        }
    };
    let response = function(&guest);
    let header = |(name, value): &(Cow<'static, str>, Cow<'static, str>)| Header {
        name: Bytes::of(name.as_bytes()),
        value: Bytes::of(value.as_bytes()),
        is_constant: matches!(value, Cow::Borrowed(_)),
    };
    let headers: Vec<_> = response.headers.iter().map(header).collect();
    let answer =
        Response { status: response.status, headers: Headers::of(&headers), body: Bytes::of(&response.body) };
    // SAFETY: the host says how its own function is called, and the answer is borrowed from
    // values that live until the end of this one.
    unsafe { (request.respond)(request.to, &answer) };
}
