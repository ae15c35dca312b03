//! Computes for ever. `?calm=1` is answered with `calm`.

use isolab_sdk::{Request, Response};

/// Never returns, unless it is to be calm.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    loop {
        std::hint::spin_loop();
    }
}

isolab_sdk::export!(handle);
