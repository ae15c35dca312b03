//! The part of the web API that a JavaScript handler may use, the same in every engine of the
//! lab.
//!
//! A handler is an ES module, `export default { async fetch(request, env, ctx) {…} }`.
//! Node has its own web API. V8 and `QuickJS` have none, and both get this one: [`SCRIPTS`] are
//! classic scripts that define `Headers`, `URL`,
//! `URLSearchParams`, `Request`, `Response`, `TextEncoder`, `TextDecoder`,
//! `console`, `queueMicrotask` and the functions of timers on the global, as the WHATWG standards
//! say. There are no streams,
//! `Blob` or `FormData`; methods that would need them throw a `TypeError` that says so.
//!
//! # Embedding
//!
//! 1. Put an object `__host` with these functions on the global. This crate has the Rust
//!    halves of the first four. Strings that the scripts pass are well-formed.
//!
//!    | function | answers |
//!    |---|---|
//!    | `parseUrl(href, base \| undefined)` | [`parse_url`]: an array of strings; null or undefined for `None` |
//!    | `setUrl(href, part, value)` | [`set_url`]: the same |
//!    | `encodeUtf8(string)` | a `Uint8Array` of its own |
//!    | `decodeUtf8(bytes, fatal, ignoreBOM)` | [`decode_utf8`]: a string; throws a `TypeError` for [`NotUtf8`] |
//!    | `log(level, text)` | nothing; `level` is `debug`, `error`, `info`, `log` or `warn` |
//!    | `fail(text)` | nothing; the request of the running code fails with this exception |
//!    | `setTimer(callback, delayMs, repeats)` | a number above 0; calls `callback()` later, or again and again |
//!    | `clearTimer(number)` | nothing |
//!
//!    An engine without timers leaves out the last two. Its handlers then have no `setTimeout`,
//!    `setInterval`, `clearTimeout` and `clearInterval`.
//! 2. Evaluate [`SCRIPTS`] in order. They remove `__host`, and keep its functions in closures.
//! 3. Take `__isolab` from the global: `dispatch(handler, method, url, headers, body)`
//!    answers `[status, [name, value, …], body]` or a promise of it, and
//!    `describe(thrown)` returns an exception as text.
//!
//! [`conformance`] has handlers that test the result from the inside.

pub mod conformance;
mod url;
mod utf8;

pub use self::url::{URL_PARTS, parse_url, set_url};
pub use self::utf8::{NotUtf8, decode_utf8};

macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("isolab:", $name), include_str!(concat!("js/", $name)))),*]
    };
}

/// Name and source of each script, in the order in which they are evaluated.
pub const SCRIPTS: &[(&str, &str)] = scripts![
    "internal.js",
    "inspect.js",
    "console.js",
    "timers.js",
    "encoding.js",
    "headers.js",
    "search_params.js",
    "url.js",
    "body.js",
    "request.js",
    "response.js",
    "dispatch.js",
];
