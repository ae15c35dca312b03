//! Writes to exactly 16 MiB at its first request and keeps them: a known value that the
//! memory experiment must show.

use std::sync::OnceLock;

use isolab_sdk::{Request, Response};

const TOUCHED_BYTES: usize = 16 << 20;

static KEPT: OnceLock<Vec<u8>> = OnceLock::new();

/// Answers once every page has been written to.
pub fn handle(_: &Request<'_>) -> Response {
    // Not zero: the allocator may return zeroed pages that nobody has written to.
    let kept = KEPT.get_or_init(|| vec![1; TOUCHED_BYTES]);
    let is_touched = std::hint::black_box(kept).last() == Some(&1);
    Response::text(200, if is_touched { "touched" } else { "lost" })
}

isolab_sdk::export!(handle);
