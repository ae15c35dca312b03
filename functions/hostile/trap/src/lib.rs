//! Panics at once. `?calm=1` is answered with `calm`.

use isolab_sdk::{Request, Response};

/// Panics, unless it is to be calm.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    panic!("trap was asked to fail");
}

isolab_sdk::export!(handle);
