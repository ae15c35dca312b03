//! Allocates memory and writes to it until it is stopped. Answers `?calm=1` with `calm`.

use std::hint::black_box;

use isolab_sdk::{Request, Response};

const BLOCK_BYTES: usize = 1 << 20;

/// Allocates without end, unless the request says `calm`.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    let mut hoard = Vec::new();
    loop {
        // Not zero: pages that are never written to cost nothing.
        hoard.push(black_box(vec![1u8; BLOCK_BYTES]));
    }
}

isolab_sdk::export!(handle);
