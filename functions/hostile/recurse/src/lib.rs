//! Recurses without end. Answers `?calm=1` with `calm`.

use std::hint::black_box;

use isolab_sdk::{Request, Response};

/// Uses up the stack, unless the request says `calm`.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    Response::text(200, descend(0).to_string())
}

isolab_sdk::export!(handle);

/// The addition after the call keeps the compiler from turning the recursion into a loop.
#[allow(unconditional_recursion, reason = "it is the attack")]
fn descend(depth: u64) -> u64 {
    black_box(descend(black_box(depth + 1))) + depth
}
