//! The JavaScript engine of `js` variants, compiled to Wasm.
//!
//! The module does not contain a handler yet: its export `wizer-initialize` reads the source
//! of one from standard input. See the crate `isolab-javascript`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use isolab_core::guest::{self, BuildError, Built};

const TARGET: &str = "wasm32-unknown-unknown";

/// The tools that compile C to Wasm.
const TOOLS: [&str; 2] = ["clang", "llvm-ar"];

/// Builds the engine unless it is up to date, and returns the path of the module. An engine in
/// [`guest::INDEX`] is used without asking Cargo. A process asks once: Cargo takes 200 ms to find that
/// nothing has changed, and each function in JavaScript would wait for it.
///
/// # Errors
/// If no C compiler for Wasm is installed, or Cargo fails.
pub fn engine() -> Result<PathBuf, BuildError> {
    static ENGINE: Mutex<Option<PathBuf>> = Mutex::new(None);
    // A build that panics leaves nothing behind that another could not build again.
    let mut engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = &*engine {
        return Ok(engine.clone());
    }
    Ok(engine.insert(build()?).clone())
}

fn build() -> Result<PathBuf, BuildError> {
    let folder = folder();
    let manifest = folder.join("Cargo.toml");
    if let Some(built) = guest::indexed(&manifest, TARGET) {
        return Ok(built);
    }
    let failed = |reason| BuildError { manifest: manifest.clone(), target: TARGET, reason };
    if let Some(tool) = TOOLS.iter().find(|tool| !runs(tool)) {
        return Err(failed(format!("`{tool}`, which compiles QuickJS, is not installed; run scripts/setup")));
    }
    let config = folder.join("build.toml").into_os_string();
    let mut arguments: Vec<OsString> = guest::LIBRARY.iter().map(OsString::from).collect();
    arguments.extend(["--target".into(), TARGET.into(), "--config".into(), config]);
    let artifacts = guest::cargo(&manifest, &arguments, TARGET).map_err(failed)?;
    let made = artifacts.iter().filter(|artifact| artifact.manifest_path == manifest);
    made.flat_map(|artifact| &artifact.filenames)
        .find(|file| file.extension().is_some_and(|kind| kind == "wasm"))
        .cloned()
        .ok_or_else(|| failed("Cargo made no Wasm module".to_owned()))
}

/// The built engine, for [`guest::INDEX`].
pub fn built(engine: PathBuf) -> Built {
    Built { manifest: folder().join("Cargo.toml"), target: TARGET, path: engine }
}

fn folder() -> PathBuf {
    guest::workspace().join("runners/wasm/javascript")
}

fn runs(tool: &str) -> bool {
    let quiet = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}
