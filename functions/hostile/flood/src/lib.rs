//! Answers with 64 MiB. Answers `?calm=1` with `calm`.

use isolab_sdk::{Request, Response};

const BODY_BYTES: usize = 64 << 20;

/// Answers with 64 MiB, unless the request says `calm`.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    Response::new(200, "application/octet-stream", vec![b'x'; BODY_BYTES])
}

isolab_sdk::export!(handle);
