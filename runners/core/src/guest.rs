//! Builds Rust functions as Wasm modules and as native servers.
//!
//! Cargo builds them, with the configuration `functions/guest.toml` for every target, unless
//! they are up to date. The lab's own build of a function, as a library for `direct`, is
//! separate.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde::Deserialize;

/// The target of a function's crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A core Wasm module with WASI preview 1 imports at most.
    Wasm,
    /// A static native server.
    Server,
}

impl Target {
    /// Its name for rustc.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Wasm => "wasm32-wasip1",
            Self::Server => "x86_64-unknown-linux-musl",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Wasm => &["--lib"],
            Self::Server => &["--bins", "--features", "server"],
        }
    }

    fn makes(self, artifact: &CompilerArtifact) -> Option<PathBuf> {
        match self {
            Self::Wasm => {
                artifact.filenames.iter().find(|file| file.extension().is_some_and(|kind| kind == "wasm"))
            }
            Self::Server => artifact.executable.as_ref(),
        }
        .cloned()
    }
}

/// A function that could not be built.
#[derive(Clone, Debug, thiserror::Error)]
#[error("building {} for {triple} failed: {reason}", manifest.display())]
pub struct BuildError {
    /// The function's `Cargo.toml`.
    pub manifest: PathBuf,
    /// The target's name for rustc.
    pub triple: &'static str,
    /// Cargo's output, or another reason.
    pub reason: String,
}

/// The environment variable that names the lab's root folder where the checkout that this
/// binary was built from is not there, such as in an image.
pub const HOME: &str = "ISOLAB_HOME";

/// The root of the lab: the folder that [`HOME`] names, else the checkout that this binary
/// was built from.
pub fn workspace() -> &'static Path {
    const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = std::env::var_os(HOME).map_or_else(|| PathBuf::from(CHECKOUT), PathBuf::from);
        root.canonicalize().unwrap_or(root)
    });
    &ROOT
}

/// The environment variable that names an index of guests that were built already. Asking
/// Cargo whether one is up to date takes longer than most of what `prepare` does with it.
pub const INDEX: &str = "ISOLAB_GUESTS";

/// A guest that was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The `Cargo.toml` it was built from.
    pub manifest: PathBuf,
    /// The target it was built for.
    pub triple: &'static str,
    /// The file.
    pub path: PathBuf,
}

impl Built {
    /// Its line in an index. There, the path of a manifest may be relative to [`workspace`],
    /// and the path of a guest to the folder of the index.
    pub fn index_line(&self) -> String {
        format!("{}\t{}\t{}\n", self.triple, self.manifest.display(), self.path.display())
    }
}

/// Where a guest is by the [`INDEX`], if it stands there.
pub fn indexed(manifest: &Path, triple: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(INDEX)?);
    let index = std::fs::read_to_string(&path).ok()?;
    let built = find(manifest, triple, &index)?;
    Some(path.parent()?.join(built))
}

fn find(manifest: &Path, triple: &str, index: &str) -> Option<PathBuf> {
    let mut lines = index.lines().map(|line| line.split('\t'));
    lines.find_map(|mut fields| {
        let is_meant = fields.next()? == triple && workspace().join(fields.next()?) == manifest;
        is_meant.then(|| fields.next().map(PathBuf::from)).flatten()
    })
}

/// Builds the crate of `manifest` for one target, if it is not up to date, and
/// answers the artifact's path. A guest that stands in the [`INDEX`] is taken as it is.
pub fn build(manifest: &Path, target: Target) -> Result<PathBuf, BuildError> {
    if let Some(built) = indexed(manifest, target.triple()) {
        return Ok(built);
    }
    let mut arguments: Vec<OsString> = vec!["--target".into(), target.triple().into()];
    arguments.extend(target.arguments().iter().map(OsString::from));
    let failed = |reason| BuildError { manifest: manifest.to_owned(), triple: target.triple(), reason };
    let artifacts = cargo(manifest, &arguments).map_err(failed)?;
    let made = artifacts.iter().filter(|artifact| artifact.manifest_path == manifest);
    made.filter_map(|artifact| target.makes(artifact)).next_back().ok_or_else(|| {
        let reason = match target {
            Target::Wasm => {
                "Cargo made no Wasm module; the crate needs `crate-type = [\"cdylib\", \"rlib\"]`"
            }
            Target::Server => "Cargo made no server; the crate needs a binary with `isolab_sdk::serve!`",
        };
        failed(reason.to_owned())
    })
}

/// Builds one crate with the profile and flags of every guest.
///
/// `arguments` choose the target and the artifacts. Variables that an outer Cargo has set for
/// its own build are removed.
pub fn cargo(manifest: &Path, arguments: &[OsString]) -> Result<Vec<CompilerArtifact>, String> {
    let folder = manifest.parent().ok_or("a manifest lies in a folder")?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(folder)
        .args(["build", "--quiet", "--profile", "guest", "--message-format", "json-render-diagnostics"])
        .arg("--config")
        .arg(workspace().join("functions/guest.toml"))
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_dir())
        .args(arguments)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}\n{}", output.status, text.trim_end()));
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// The folder for guests, below the target folder. It is separate, so that a build of guests
/// never waits for the lock of the lab's own build.
fn target_dir() -> PathBuf {
    let base = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let base = if base.is_absolute() { base } else { workspace().join(base) };
    base.join("guests")
}

/// One artifact as Cargo reports it.
#[derive(Clone, Debug, Deserialize)]
pub struct CompilerArtifact {
    /// The manifest of the crate.
    pub manifest_path: PathBuf,
    /// The files that Cargo made.
    pub filenames: Vec<PathBuf>,
    /// The binary, if the artifact is one.
    pub executable: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_tells_guests_apart() {
        let line = |manifest: &Path, triple, path: &str| {
            Built { manifest: manifest.to_owned(), triple, path: path.into() }.index_line()
        };
        let (hello, json) = (Path::new("/f/hello/Cargo.toml"), Path::new("/f/json/Cargo.toml"));
        let index = line(hello, "wasm32-wasip1", "/t/hello.wasm")
            + &line(json, "x86_64-unknown-linux-musl", "/t/server-json");
        assert_eq!(find(hello, "wasm32-wasip1", &index), Some("/t/hello.wasm".into()));
        assert_eq!(find(json, "x86_64-unknown-linux-musl", &index), Some("/t/server-json".into()));
        assert_eq!(find(json, "wasm32-wasip1", &index), None);
        let relative = line(Path::new("f/hello/Cargo.toml"), "wasm32-wasip1", "hello.wasm");
        let hello = &workspace().join("f/hello/Cargo.toml");
        assert_eq!(find(hello, "wasm32-wasip1", &relative), Some("hello.wasm".into()));
        assert_eq!(find(hello, "wasm32-wasip1", "cut"), None);
    }
}
