//! The setting `sandbox=wasm2c`: a server from a Wasm module.
//!
//! wasm2c turns the module into C, clang compiles the C, and the linker joins it with the server of a native function
//! (`../wasm2c`). The result is a static program as any other, so every other setting is the same with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use isolab_core::cache::digest;
use isolab_core::guest::{self, Form, Instructions, Simd, Stack, Target};
use isolab_core::{Cache, Cause, Limits, Variant, binary};
use isolab_guest::files::read;
use isolab_guest::program;

/// The form of the modules that it knows.
const FORM: Form = Form { stack: Stack::Tuned, simd: Simd::Off };

/// The runtime of wasm2c, as Debian's package `wabt` has it.
const RUNTIME: &str = "/usr/src/wasm2c";
/// The headers of the C library that native servers are linked with, as Debian's package `musl-dev` has them.
const HEADERS: &str = "/usr/include/x86_64-linux-musl";

const MODULE_C: &[u8] = include_bytes!("../wasm2c/module.c");
const MODULE_H: &[u8] = include_bytes!("../wasm2c/module.h");

/// The kind of cached servers.
const KIND: &str = "wasm2c";

/// The reason for a module that it does not know.
pub(crate) const VECTORS: &str = "this module has vector instructions, which wasm2c does not know";

/// The programs that make a server.
#[derive(Debug)]
pub(crate) struct Wasm2c {
    translator: PathBuf,
    compiler: PathBuf,
    linker: PathBuf,
    pub(crate) versions: Vec<(String, String)>,
}

impl Wasm2c {
    /// Looks for the programs.
    ///
    /// # Errors
    /// The reason with advice, if one of them or its files are missing.
    pub(crate) fn find() -> Result<Self, String> {
        let translator = program::find("wasm2c", "wabt")?;
        let compiler = program::find("clang", "clang")?;
        let linker = program::find("musl-gcc", "musl-tools")?;
        let runtime = Path::new(RUNTIME).join("wasm-rt-impl.c");
        if !runtime.is_file() {
            return Err(format!(
                "{} is missing: install it (Debian: apt-get install wabt)",
                runtime.display()
            ));
        }
        let versions = vec![
            ("wasm2c".to_owned(), version(&translator).map_err(|error| cannot_run(&translator, &error))?),
            ("clang".to_owned(), version(&compiler).map_err(|error| cannot_run(&compiler, &error))?),
        ];
        Ok(Self { translator, compiler, linker, versions })
    }

    /// The module of a variant, with the function's limit on its memory. `source` is the variant's file.
    pub(crate) fn module(variant: Variant, source: &Path, limits: &Limits) -> Result<Vec<u8>, Cause> {
        let path = match variant {
            Variant::Module => source.to_owned(),
            _ => guest::build(source, Target::Wasm(FORM))
                .map_err(|error| Cause::Artifact(error.to_string()))?,
        };
        binary::set_limits(&read(&path)?, limits.memory_bytes).map_err(Cause::Artifact)
    }

    /// The program that serves a module, from the cache if it was made before.
    pub(crate) fn server(
        &self,
        module: &[u8],
        instructions: Instructions,
        cache: &Cache,
    ) -> Result<Vec<u8>, Cause> {
        let library = read(&library(instructions)?)?;
        let versions = self.versions.iter().map(|(_, version)| version.as_bytes());
        let flags = flags(instructions).join(" ");
        let parts = [module, &library[..], MODULE_C, MODULE_H, flags.as_bytes()];
        let key = digest(parts.into_iter().chain(versions));
        if let Some(server) = cache.load(KIND, &key) {
            return Ok(server);
        }
        let server = self.make(module, &library, instructions)?;
        if let Err(error) = cache.store(KIND, &key, &server) {
            tracing::warn!(%error, "a server of wasm2c could not be kept");
        }
        Ok(server)
    }

    fn make(&self, module: &[u8], library: &[u8], instructions: Instructions) -> Result<Vec<u8>, Cause> {
        let failed = |error: io::Error| Cause::Internal(format!("a module cannot be laid out: {error}"));
        let place = tempfile::tempdir().map_err(failed)?;
        let files =
            [("guest.wasm", module), ("module.c", MODULE_C), ("module.h", MODULE_H), ("server.a", library)];
        for (name, bytes) in files {
            fs::write(place.path().join(name), bytes).map_err(failed)?;
        }
        // The prefix of every name in `module.c`.
        let names = ["--no-debug-names", "--module-name", "guest"];
        run(&self.translator, place.path(), &[&names[..], &["guest.wasm", "-o", "guest.c"]].concat())?;
        let runtime = format!("{RUNTIME}/wasm-rt-impl.c");
        let include = ["-include", "module.h", "-I", RUNTIME, "-nostdlibinc", "-isystem", HEADERS];
        let sources = ["-c", "guest.c", "module.c", runtime.as_str()];
        run(&self.compiler, place.path(), &[flags(instructions), &include, &sources].concat())?;
        let objects = ["guest.o", "module.o", "wasm-rt-impl.o", "server.a"];
        let link = ["-static", "-no-pie", "-s", "-Wl,--gc-sections", "-o", "server"];
        run(&self.linker, place.path(), &[&link[..], &objects].concat())?;
        read(&place.path().join("server"))
    }
}

/// The flags of clang: optimised as native servers are, and with the floating-point numbers of Wasm.
fn flags(instructions: Instructions) -> &'static [&'static str] {
    const BASELINE: &[&str] = &["-O3", "-DNDEBUG", "-fno-pie", "-ffp-contract=off", "-w"];
    const NATIVE: &[&str] = &["-O3", "-DNDEBUG", "-fno-pie", "-ffp-contract=off", "-w", "-march=native"];
    match instructions {
        Instructions::Baseline => BASELINE,
        Instructions::Native => NATIVE,
    }
}

/// Builds the server around a module, if it is not up to date.
fn library(instructions: Instructions) -> Result<PathBuf, Cause> {
    let target = Target::Server(instructions);
    let manifest = guest::workspace().join("runners/process/wasm2c/Cargo.toml");
    let arguments = ["rustc", "--lib", "--crate-type", "staticlib", "--target", target.triple()];
    let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
    let failed = |reason| Cause::Artifact(format!("building {} failed: {reason}", manifest.display()));
    let artifacts = guest::cargo(&manifest, &arguments, target.name()).map_err(failed)?;
    let own = artifacts.into_iter().filter(|artifact| artifact.manifest_path == manifest);
    let is_archive = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "a");
    own.flat_map(|artifact| artifact.filenames)
        .find(is_archive)
        .ok_or_else(|| failed("Cargo made no library".into()))
}

/// Runs a program in a folder.
fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Result<(), Cause> {
    let output = Command::new(program).current_dir(folder).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Cause::Internal(cannot_run(program, &error)))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let name = program.file_name().unwrap_or_default().display();
    let words: Vec<_> = words.lines().filter(|line| !line.trim().is_empty()).take(WORDS_LINES).collect();
    Err(Cause::Artifact(format!("`{name}` refuses the module ({}): {}", output.status, words.join("; "))))
}

/// How many lines of a program's complaint are told.
const WORDS_LINES: usize = 3;

fn version(program: &Path) -> io::Result<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn cannot_run(program: &Path, error: &io::Error) -> String {
    format!("{} cannot be run: {error}", program.display())
}
