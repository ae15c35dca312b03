//! The cases of `image`, answered by native calls.

use isolab_core::conformance;

#[test]
fn every_case_is_answered() {
    conformance::assert_native(env!("CARGO_MANIFEST_DIR"), function_image::handle);
}
