//! The cases of `stream`, answered by native calls.

use isolab_core::conformance;
use isolab_sdk::stream;

#[test]
fn every_case_is_answered() {
    conformance::assert_native(env!("CARGO_MANIFEST_DIR"), |request| {
        stream::whole(request, function_stream::handle)
    });
}
