//! Reserves 64 MiB at its first request and writes to none of it: the memory experiment must
//! show nothing.

use std::sync::OnceLock;

use isolab_sdk::{Request, Response};

const MAPPED_BYTES: usize = 64 << 20;

static KEPT: OnceLock<Vec<u8>> = OnceLock::new();

/// Answers once the memory is reserved.
pub fn handle(_: &Request<'_>) -> Response {
    let kept = KEPT.get_or_init(|| Vec::with_capacity(MAPPED_BYTES));
    let is_mapped = std::hint::black_box(kept).capacity() >= MAPPED_BYTES;
    Response::text(200, if is_mapped { "mapped" } else { "lost" })
}

isolab_sdk::export!(handle);
