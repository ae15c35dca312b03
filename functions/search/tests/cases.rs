//! The cases of `search`, answered by native calls.

use isolab_core::conformance;

#[test]
fn every_case_is_answered() {
    conformance::assert_native(env!("CARGO_MANIFEST_DIR"), function_search::handle);
}
