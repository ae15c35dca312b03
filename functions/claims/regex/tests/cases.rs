//! The cases of `regex`, answered by native calls.

use isolab_core::conformance;

#[test]
fn every_case_is_answered() {
    function_regex::initialize();
    conformance::assert_native(env!("CARGO_MANIFEST_DIR"), function_regex::handle);
}
