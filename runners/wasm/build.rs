//! Passes the engine's versions to the crate.

#[path = "../locked.rs"]
mod locked;

fn main() {
    locked::pass_versions(&[("wasmtime", "WASMTIME_VERSION"), ("wasmtime-wizer", "WASMTIME_WIZER_VERSION")]);
}
