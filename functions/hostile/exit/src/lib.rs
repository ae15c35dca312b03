//! Ends its process, as far as it has one, with code 3. `?calm=1` is answered with
//! `calm`. There is no JavaScript variant: handlers are given nothing to exit with.

use isolab_sdk::{Request, Response};

/// Exits, unless it is to be calm.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    std::process::exit(3);
}

isolab_sdk::export!(handle);
