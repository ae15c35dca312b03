//! The BLAKE3 hash of the body: 32-bit integer arithmetic over bytes.
//!
//! The answer is the 256-bit hash in lower-case hexadecimal, as plain text. Without a body it
//! is the hash of the empty string. With `?times=N` the same body is hashed N times: the hash of
//! a short body takes less time than the way into a sandbox. The status is 400 unless `times` is
//! a whole number from 1 to 1,000,000.
//!
//! The crate `blake3` is built without C or assembly. Native code detects the processor's
//! vector instructions at run time. Wasm cannot detect any, so 128-bit vectors are compiled
//! in (feature `wasm32_simd`). JavaScript has no vectors. Rows are compared within a variant
//! only, and the width of the vectors is part of what a model offers to a function.

use std::hint::black_box;

use isolab_sdk::{Request, Response};

const TIMES_MAX: u32 = 1_000_000;

const OUT_OF_RANGE: &str = "times must be a whole number from 1 to 1000000";

/// Answers with the hash of the request's body.
pub fn handle(request: &Request<'_>) -> Response {
    let times = match request.query_value("times") {
        None => Some(1),
        Some(text) => parse(&text),
    };
    let Some(times) = times else {
        return Response::text(400, OUT_OF_RANGE);
    };
    for _ in 1..times {
        // The compiler must not leave out hashes that nothing reads.
        black_box(blake3::hash(black_box(request.body)));
    }
    Response::text(200, blake3::hash(request.body).to_hex().as_str())
}

isolab_sdk::export!(handle);

fn parse(text: &str) -> Option<u32> {
    let digits = text.len() <= 7 && text.bytes().all(|byte| byte.is_ascii_digit());
    let times = digits.then(|| text.parse().ok()).flatten();
    times.filter(|times| (1..=TIMES_MAX).contains(times))
}
