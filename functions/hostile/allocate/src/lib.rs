//! Takes memory and touches it, until it is stopped. `?calm=1` is answered with `calm`.

use std::hint::black_box;

use isolab_sdk::{Request, Response};

const BLOCK_BYTES: usize = 1 << 20;

/// Takes all memory there is, unless it is to be calm.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    let mut hoard = Vec::new();
    loop {
        // Written to, because a page that nobody touched costs nothing.
        hoard.push(black_box(vec![1u8; BLOCK_BYTES]));
    }
}

isolab_sdk::export!(handle);
