//! Builds Rust functions as Wasm modules, native servers and native libraries.
//!
//! Cargo builds them, with the configuration `functions/guest.toml` for every target, unless
//! they are up to date. Every guest is the only product of its build: Cargo does not optimise
//! across crates (`lto`) where it also has to make an `rlib`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::Spec;
use crate::spec::{Setting, Values};

/// The target of a function's crate, with the choice that it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A core Wasm module with WASI preview 1 imports at most.
    Wasm(Form),
    /// A static native server.
    Server(Instructions),
    /// A native library that a process of the host loads.
    Library(Instructions),
}

/// The form of a Wasm module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its stack.
    pub stack: Stack,
    /// Its vector instructions.
    pub simd: Simd,
}

/// Whether a Wasm module has vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// It has those of 128 bits.
    On,
    /// It has none, for an engine that does not know them.
    Off,
}

/// The size of a Wasm module's stack. The linker puts it below the module's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// 32 KiB: see `functions/guest-stack.toml`.
    Tuned,
    /// The toolchain's 1 MiB.
    Default,
}

/// The processors that native code runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Every x86-64 processor.
    Baseline,
    /// Those that have all instructions of the machine that builds.
    Native,
}

/// The setting of an executor that takes Wasm modules.
pub const STACK: Setting = Setting {
    name: "stack",
    default: "tuned",
    values: Values::OneOf(&["tuned", "default"]),
    help: "the stack of a Rust function's module: tuned is 32 KiB, so that a small function fits into one \
           page of Wasm; default is the toolchain's 1 MiB",
};

/// The setting of an executor that takes Wasm modules and knows vector instructions.
pub const SIMD: Setting = Setting {
    name: "simd",
    default: "on",
    values: Values::OneOf(&["on", "off"]),
    help: "the vector instructions of a Rust function's module: off leaves them out, so that engines without \
           them run the same bytes",
};

/// The setting of an executor that takes native code.
pub const INSTRUCTIONS: Setting = Setting {
    name: "target",
    default: "baseline",
    values: Values::OneOf(&["baseline", "native"]),
    help: "the instructions of a Rust function's native code: baseline is x86-64 as software is shipped; \
           native is all of this processor's, as engines use that compile where they run",
};

impl Stack {
    /// The choice of a spec that was resolved against [`STACK`].
    pub fn of(spec: &Spec) -> Self {
        if spec.get(STACK.name) == "default" { Self::Default } else { Self::Tuned }
    }
}

impl Form {
    /// The form that engines run best.
    pub const DEFAULT: Self = Self { stack: Stack::Tuned, simd: Simd::On };

    /// The choice of a spec that was resolved against [`STACK`] and [`SIMD`].
    pub fn of(spec: &Spec) -> Self {
        let simd = if spec.get(SIMD.name) == "off" { Simd::Off } else { Simd::On };
        Self { stack: Stack::of(spec), simd }
    }
}

impl Instructions {
    /// The choice of a spec that was resolved against [`INSTRUCTIONS`].
    pub fn of(spec: &Spec) -> Self {
        if spec.get(INSTRUCTIONS.name) == "native" { Self::Native } else { Self::Baseline }
    }
}

impl Target {
    /// Its name for rustc.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Wasm(_) => "wasm32-wasip1",
            Self::Server(_) => "x86_64-unknown-linux-musl",
            Self::Library(_) => "x86_64-unknown-linux-gnu",
        }
    }

    /// Its name with the choice, if that is not the default. Guests of different names lie in
    /// different folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasm(Form { stack: Stack::Tuned, simd: Simd::On })
            | Self::Server(Instructions::Baseline)
            | Self::Library(Instructions::Baseline) => self.triple(),
            Self::Wasm(Form { stack: Stack::Default, simd: Simd::On }) => "wasm32-wasip1+default-stack",
            Self::Wasm(Form { stack: Stack::Tuned, simd: Simd::Off }) => "wasm32-wasip1+no-simd",
            Self::Wasm(Form { stack: Stack::Default, simd: Simd::Off }) => {
                "wasm32-wasip1+default-stack-no-simd"
            }
            Self::Server(Instructions::Native) => "x86_64-unknown-linux-musl+native",
            Self::Library(Instructions::Native) => "x86_64-unknown-linux-gnu+native",
        }
    }

    /// Files in `functions` with more of Cargo's configuration than that of every guest.
    fn configuration(self) -> impl Iterator<Item = &'static str> {
        let is_native =
            self == Self::Server(Instructions::Native) || self == Self::Library(Instructions::Native);
        let (stack, simd) = match self {
            Self::Wasm(Form { stack, simd }) => (Some(stack), Some(simd)),
            Self::Server(_) | Self::Library(_) => (None, None),
        };
        let files = [
            (stack == Some(Stack::Tuned), "guest-stack.toml"),
            (simd == Some(Simd::On), "guest-simd.toml"),
            (is_native, "guest-native.toml"),
        ];
        files.into_iter().filter(|(is_taken, _)| *is_taken).map(|(_, file)| file)
    }

    /// Cargo's command, and the arguments that choose the product.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Wasm(_) | Self::Library(_) => LIBRARY,
            Self::Server(_) => &["build", "--bins", "--features", "server"],
        }
    }

    fn makes(self, artifact: &CompilerArtifact) -> Option<PathBuf> {
        let with_extension = |extension: &str| {
            artifact.filenames.iter().find(|file| file.extension().is_some_and(|found| found == extension))
        };
        match self {
            Self::Wasm(_) => with_extension("wasm"),
            Self::Library(_) => with_extension("so"),
            Self::Server(_) => artifact.executable.as_ref(),
        }
        .cloned()
    }

    /// Why Cargo succeeded and made nothing.
    fn lacks(self) -> &'static str {
        match self {
            Self::Wasm(_) => "Cargo made no Wasm module; the crate needs a library",
            Self::Library(_) => "Cargo made no native library; the crate needs a library",
            Self::Server(_) => "Cargo made no server; the crate needs a binary with `isolab_sdk::serve!`",
        }
    }
}

/// Cargo's command and arguments for a crate's library, as the only product of its build.
pub const LIBRARY: &[&str] = &["rustc", "--lib", "--crate-type", "cdylib"];

/// A function that could not be built.
#[derive(Clone, Debug, thiserror::Error)]
#[error("building {} for {target} failed: {reason}", manifest.display())]
pub struct BuildError {
    /// The function's `Cargo.toml`.
    pub manifest: PathBuf,
    /// The target's name.
    pub target: &'static str,
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
    /// The name of the target it was built for.
    pub target: &'static str,
    /// The file.
    pub path: PathBuf,
}

impl Built {
    /// Its line in an index. There, the path of a manifest may be relative to [`workspace`],
    /// and the path of a guest to the folder of the index.
    pub fn index_line(&self) -> String {
        format!("{}\t{}\t{}\n", self.target, self.manifest.display(), self.path.display())
    }
}

/// Where a guest is by the [`INDEX`], if it stands there.
pub fn indexed(manifest: &Path, target: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(INDEX)?);
    let index = std::fs::read_to_string(&path).ok()?;
    let built = find(manifest, target, &index)?;
    Some(path.parent()?.join(built))
}

fn find(manifest: &Path, target: &str, index: &str) -> Option<PathBuf> {
    let mut lines = index.lines().map(|line| line.split('\t'));
    lines.find_map(|mut fields| {
        let is_meant = fields.next()? == target && workspace().join(fields.next()?) == manifest;
        is_meant.then(|| fields.next().map(PathBuf::from)).flatten()
    })
}

/// Builds the crate of `manifest` for one target, if it is not up to date, and
/// answers the artifact's path. A guest that stands in the [`INDEX`] is taken as it is.
pub fn build(manifest: &Path, target: Target) -> Result<PathBuf, BuildError> {
    if let Some(built) = indexed(manifest, target.name()) {
        return Ok(built);
    }
    let mut arguments: Vec<OsString> = target.arguments().iter().map(OsString::from).collect();
    arguments.extend(["--target".into(), target.triple().into()]);
    for file in target.configuration() {
        arguments.extend(["--config".into(), workspace().join("functions").join(file).into_os_string()]);
    }
    let failed = |reason| BuildError { manifest: manifest.to_owned(), target: target.name(), reason };
    let artifacts = cargo(manifest, &arguments, target.name()).map_err(failed)?;
    let made = artifacts.iter().filter(|artifact| artifact.manifest_path == manifest);
    made.filter_map(|artifact| target.makes(artifact))
        .next_back()
        .ok_or_else(|| failed(target.lacks().to_owned()))
}

/// Builds one crate with the profile and flags of every guest.
///
/// `arguments` begin with Cargo's command, such as that of [`LIBRARY`]; they choose the target
/// and the product. `target` names the folder of the build. Variables that an outer Cargo has
/// set for its own build are removed.
pub fn cargo(manifest: &Path, arguments: &[OsString], target: &str) -> Result<Vec<CompilerArtifact>, String> {
    let folder = manifest.parent().ok_or("a manifest lies in a folder")?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(folder)
        .args(arguments)
        .args(["--quiet", "--profile", "guest", "--message-format", "json-render-diagnostics"])
        .arg("--config")
        .arg(workspace().join("functions/guest.toml"))
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target_dir(target))
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

/// The folder for the guests of a target, below the target folder. It is separate, so that a
/// build of guests never waits for the lock of the lab's own build. Each choice has its own
/// folder, because Cargo would put both guests at the same path.
fn target_dir(target: &str) -> PathBuf {
    let base = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let base = if base.is_absolute() { base } else { workspace().join(base) };
    base.join("guests").join(target.split_once('+').map_or("", |(_, choice)| choice))
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
        let line = |manifest: &Path, target, path: &str| {
            Built { manifest: manifest.to_owned(), target, path: path.into() }.index_line()
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
