//! The cases of `user-agents`, answered by native calls.

use isolab_core::conformance;

#[test]
fn every_case_is_answered() {
    function_user_agents::initialize();
    conformance::assert_native(env!("CARGO_MANIFEST_DIR"), function_user_agents::handle);
}
