//! Passes the engines' versions to the crate.

#[path = "../locked.rs"]
mod locked;

fn main() {
    locked::pass_versions(&[("wasmi", "WASMI_VERSION"), ("wasmer", "WASMER_VERSION")]);
}
