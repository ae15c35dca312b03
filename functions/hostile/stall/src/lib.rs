//! Initialises itself without end, so that it never answers.

use isolab_sdk::{Request, Response};

/// Never returns.
pub fn initialize() {
    loop {
        std::hint::spin_loop();
    }
}

/// Would answer with `calm`.
pub fn handle(_request: &Request<'_>) -> Response {
    Response::text(200, "calm")
}

isolab_sdk::export!(handle, initialize = initialize);
