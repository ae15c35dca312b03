//! The cases of `files`, answered by native calls.

use std::path::Path;

use isolab_core::conformance;
use isolab_sdk::{Request, Response};

fn answer(request: &Request<'_>) -> Response {
    function_files::answer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data"), request)
}

#[test]
fn every_case_is_answered() {
    conformance::assert_native(env!("CARGO_MANIFEST_DIR"), answer);
}
