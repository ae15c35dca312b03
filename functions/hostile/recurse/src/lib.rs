//! Calls itself without end. `?calm=1` is answered with `calm`.

use std::hint::black_box;

use isolab_sdk::{Request, Response};

/// Uses up the stack, unless it is to be calm.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    Response::text(200, descend(0).to_string())
}

isolab_sdk::export!(handle);

/// What is left to do after the call keeps the compiler from making a loop of it.
#[allow(unconditional_recursion, reason = "it is the attack")]
fn descend(depth: u64) -> u64 {
    black_box(descend(black_box(depth + 1))) + depth
}
