//! Passes the engine's version to the crate.

#[path = "../locked.rs"]
mod locked;

fn main() {
    locked::pass_versions(&[("wasmi", "WASMI_VERSION")]);
}
