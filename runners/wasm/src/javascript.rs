//! The JavaScript engine of `js` variants, compiled to Wasm.
//!
//! The module that comes out has no handler in it yet: its export `wizer-initialize`
//! reads the source of one from standard input. See the crate `isolab-javascript`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use isolab_core::guest::{self, BuildError, Built};

const TARGET: &str = "wasm32-unknown-unknown";

/// What compiling C for Wasm takes.
const TOOLS: [&str; 2] = ["clang", "llvm-ar"];

/// Builds the engine, if it is not up to date, and answers the module's path. One that
/// stands in [`guest::INDEX`] is taken as it is.
///
/// # Errors
/// If there is no C compiler for Wasm, or Cargo fails.
pub fn engine() -> Result<PathBuf, BuildError> {
    let folder = folder();
    let manifest = folder.join("Cargo.toml");
    if let Some(built) = guest::indexed(&manifest, TARGET) {
        return Ok(built);
    }
    let failed = |reason| BuildError { manifest: manifest.clone(), triple: TARGET, reason };
    if let Some(tool) = TOOLS.iter().find(|tool| !runs(tool)) {
        return Err(failed(format!("there is no `{tool}`, which compiles QuickJS: run scripts/setup")));
    }
    let config = folder.join("build.toml").into_os_string();
    let arguments = ["--lib".into(), "--target".into(), TARGET.into(), OsString::from("--config"), config];
    let artifacts = guest::cargo(&manifest, &arguments).map_err(failed)?;
    let made = artifacts.iter().filter(|artifact| artifact.manifest_path == manifest);
    made.flat_map(|artifact| &artifact.filenames)
        .find(|file| file.extension().is_some_and(|kind| kind == "wasm"))
        .cloned()
        .ok_or_else(|| failed("no Wasm module came out".to_owned()))
}

/// The engine as a guest that was built, for [`guest::INDEX`].
pub fn built(engine: PathBuf) -> Built {
    Built { manifest: folder().join("Cargo.toml"), triple: TARGET, path: engine }
}

fn folder() -> PathBuf {
    guest::workspace().join("runners/wasm/javascript")
}

fn runs(tool: &str) -> bool {
    let quiet = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}
