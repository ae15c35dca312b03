//! The part of the web API that a JavaScript handler may use, the same in every engine of the
//! lab.
//!
//! A handler is an ES module, `export default { async fetch(request, env, ctx) {…} }`.
//! Node has its own web API. V8 and `QuickJS` have none, and both get this one: [`SCRIPTS`] are
//! classic scripts that define `Headers`, `URL`,
//! `URLSearchParams`, `Request`, `Response`, `TextEncoder`, `TextDecoder`,
//! `console`, `queueMicrotask` and the functions of timers on the global, as the WHATWG standards
//! say. There are no
//! `Blob` and `FormData`; methods that would need them throw a `TypeError` that says so.
//!
//! Streams and `fetch` are there for handlers that [need them](needs_streams), in engines that have
//! them. V8 has, `QuickJS` has not: there, a body's stream is a `TypeError` and `fetch` is not defined.
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
//!    With streams, these come besides. `done(error, …)` is called later, once, in the time of the
//!    same request; `error` is a text or undefined.
//!
//!    | function | answers |
//!    |---|---|
//!    | `fetch(method, url, headers, bytes \| null, streams, done)` | if `streams`, the number of an upload; calls `done(error, status, statusText, headers, number \| undefined)` with the number of the body |
//!    | `readBody(number, allocate, done)` | calls `done(error, bytes \| undefined)`; undefined at the end. The bytes lie in the `Uint8Array` that `allocate(length)` answers |
//!    | `dropBody(number)` | nothing; the body will not be read |
//!    | `writeAnswer(bytes, done)` | calls `done(error)` when the client has room for more |
//!    | `sendPiece(number, bytes, done)` | calls `done(error)` when the upload has room for more |
//!    | `endUpload(number, error \| undefined)` | nothing |
//!
//!    An engine without timers leaves out the last two. Its handlers then have no `setTimeout`,
//!    `setInterval`, `clearTimeout` and `clearInterval`.
//! 2. Evaluate [`scripts`] in order. They remove `__host`, and keep its functions in closures.
//! 3. Take `__isolab` from the global: `dispatch(handler, method, url, headers, body, env, number)`
//!    answers `[status, [name, value, …], body]` or a promise of it (`js/dispatch.js` says more), and
//!    `describe(thrown)` returns an exception as text.
//!
//! [`conformance`] has handlers that test the result from the inside.

pub mod conformance;
mod needs;
mod url;
mod utf8;

pub use self::needs::needs_streams;
pub use self::url::{URL_BYTES, URL_PARTS, parse_url, set_url};
pub use self::utf8::{NotUtf8, decode_utf8, utf8_of};

macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("isolab:", $name), include_str!(concat!("js/", $name)))),*]
    };
}

/// Name and source of each script for a handler without streams, in the order in which they are
/// evaluated.
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

/// The scripts of streams and of `fetch`. They come before the last of [`SCRIPTS`].
const STREAM_SCRIPTS: &[(&str, &str)] = scripts!["vendor/web-streams-ponyfill.js", "streams.js", "fetch.js"];

/// Name and source of each script for a handler, with streams or without, in the order in which
/// they are evaluated.
pub fn scripts(streams: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    let (before, last) = SCRIPTS.split_at(SCRIPTS.len() - 1);
    let more = if streams { STREAM_SCRIPTS } else { &[] };
    before.iter().chain(more).chain(last).copied()
}
