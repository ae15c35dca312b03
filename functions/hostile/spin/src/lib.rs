//! Computes without end. Answers `?calm=1` with `calm`.

use isolab_sdk::{Request, Response};

/// Never returns, unless the request says `calm`.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    loop {
        std::hint::spin_loop();
    }
}

isolab_sdk::export!(handle);
