//! The BLAKE3 hash of the body: 32-bit integer arithmetic over bytes.
//!
//! The answer is the 256-bit hash in lower-case hexadecimal, as plain text. Without a body it
//! is the hash of the empty string.
//!
//! The crate `blake3` is built without C or assembly. Native code detects the processor's
//! vector instructions at run time. Wasm cannot detect any, so 128-bit vectors are compiled
//! in (feature `wasm32_simd`). JavaScript has no vectors. Rows are compared within a variant
//! only, and the width of the vectors is part of what a model offers to a function.

use isolab_sdk::{Request, Response};

/// Answers with the hash of the request's body.
pub fn handle(request: &Request<'_>) -> Response {
    Response::text(200, blake3::hash(request.body).to_hex().as_str())
}

isolab_sdk::export!(handle);
