//! Touches exactly 16 MiB at its first request, and keeps them: a known truth for the
//! memory experiment.

use std::sync::OnceLock;

use isolab_sdk::{Request, Response};

const TOUCHED_BYTES: usize = 16 << 20;

static KEPT: OnceLock<Vec<u8>> = OnceLock::new();

/// Answers when every page has been written to.
pub fn handle(_: &Request<'_>) -> Response {
    // Not zero: zeroed memory may be had from the system untouched.
    let kept = KEPT.get_or_init(|| vec![1; TOUCHED_BYTES]);
    let is_touched = std::hint::black_box(kept).last() == Some(&1);
    Response::text(200, if is_touched { "touched" } else { "lost" })
}

isolab_sdk::export!(handle);
