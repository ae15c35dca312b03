//! Answers how often its instance was asked: what it keeps must be seen by no other
//! instance, and survive in its own.

use std::sync::atomic::{AtomicU64, Ordering};

use isolab_sdk::{Request, Response};

static TIMES_ASKED: AtomicU64 = AtomicU64::new(0);

/// Answers how often this instance was asked, this time included.
pub fn handle(_request: &Request<'_>) -> Response {
    let before = TIMES_ASKED.fetch_add(1, Ordering::Relaxed);
    Response::text(200, (before + 1).to_string())
}

isolab_sdk::export!(handle);
