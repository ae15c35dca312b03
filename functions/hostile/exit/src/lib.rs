//! Exits with code 3: its process, or its WASI instance. Answers `?calm=1` with `calm`.
//! There is no JavaScript variant, because handlers have no way to exit.

use isolab_sdk::{Request, Response};

/// Exits, unless the request says `calm`.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    std::process::exit(3);
}

isolab_sdk::export!(handle);
