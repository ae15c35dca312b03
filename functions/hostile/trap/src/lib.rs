//! Panics at once. Answers `?calm=1` with `calm`.

use isolab_sdk::{Request, Response};

/// Panics, unless the request says `calm`.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    panic!("trap was asked to fail");
}

isolab_sdk::export!(handle);
