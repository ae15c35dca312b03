//! Answers with the number of requests that its instance has had. The count must survive in
//! this instance, and no other instance may see it.

use std::sync::atomic::{AtomicU64, Ordering};

use isolab_sdk::{Request, Response};

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Answers with the number of requests so far, including this one.
pub fn handle(_request: &Request<'_>) -> Response {
    let before = REQUESTS.fetch_add(1, Ordering::Relaxed);
    Response::text(200, (before + 1).to_string())
}

isolab_sdk::export!(handle);
