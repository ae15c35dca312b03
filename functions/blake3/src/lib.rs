//! The BLAKE3 hash of the body: 32-bit integer work over bytes.
//!
//! The answer is the 256-bit hash in lower-case hexadecimal, as plain text;
//! without a body, the hash of nothing.
//!
//! The crate `blake3` is built without C or assembly. On the lab's own processor
//! it finds vector instructions when it runs; in Wasm there is nothing to find,
//! so 128-bit vectors are compiled in (feature `wasm32_simd`). The JavaScript
//! variant has none to use. Rows are compared within a variant, and the width of
//! its vectors is a part of what a model gives to a function.

use isolab_sdk::{Request, Response};

/// Answers a request with the hash of its body.
pub fn handle(request: &Request<'_>) -> Response {
    Response::text(200, blake3::hash(request.body).to_hex().as_str())
}

isolab_sdk::export!(handle);
