//! The cases of `template`, answered by native calls.

use isolab_core::conformance;

#[test]
fn every_case_is_answered() {
    function_template::initialize();
    conformance::assert_native(env!("CARGO_MANIFEST_DIR"), function_template::handle);
}
