//! Machine code kept on disk, by the module's content and the engine's settings.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use isolab_core::{Cache, Cause, cache};
use wasmtime::{Engine, Module};

const CODE: &str = "wasm-code";

/// The digest of each entry of [`CODE`], as it was when the compiler made it.
const CHECKSUM: &str = "wasm-code-checksum";

/// A module ready to be linked.
pub(crate) struct Compiled {
    pub(crate) module: Module,
    /// Size of the machine code with all that belongs to it, in bytes.
    pub(crate) bytes: u64,
    /// Whether it was found instead of made.
    pub(crate) cached: bool,
}

/// The machine code of a module, from the cache or from the compiler.
pub(crate) fn compile(engine: &Engine, cache: &Cache, wasm: &[u8]) -> Result<Compiled, Cause> {
    check_kind(wasm)?;
    let key = cache::digest([wasm, fingerprint(engine).as_bytes()]);
    if let Some(compiled) = find(engine, cache, &key) {
        return Ok(compiled);
    }
    let code = engine
        .precompile_module(wasm)
        .map_err(|error| Cause::Artifact(format!("the module cannot be compiled: {error:#}")))?;
    keep(cache, CHECKSUM, &key, checksum(&code).as_bytes())?;
    let kept = keep(cache, CODE, &key, &code)?;
    let module = load(engine, &kept).map_err(|error| Cause::Internal(format!("{error:#}")))?;
    Ok(Compiled { module, bytes: code.len() as u64, cached: false })
}

/// Components and text begin differently, and the compiler's own words for it do not
/// say what to do.
fn check_kind(wasm: &[u8]) -> Result<(), Cause> {
    const CORE: &[u8] = b"\0asm\x01\0\0\0";
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    if wasm.starts_with(COMPONENT) {
        let reason = "it is a component; a core module is wanted (such as the target wasm32-wasip1 makes)";
        return Err(Cause::Artifact(reason.into()));
    }
    if wasm.starts_with(CORE) { Ok(()) } else { Err(Cause::Artifact("it is no Wasm module".into())) }
}

fn find(engine: &Engine, cache: &Cache, key: &str) -> Option<Compiled> {
    let (code, expected) = (cache.load(CODE, key)?, cache.load(CHECKSUM, key)?);
    let path = cache.path(CODE, key);
    if checksum(&code).as_bytes() != expected {
        tracing::warn!("{} is damaged and will be made again", path.display());
        return None;
    }
    match load(engine, &path) {
        Ok(module) => Some(Compiled { module, bytes: code.len() as u64, cached: true }),
        Err(error) => {
            tracing::warn!("{} cannot be used and will be made again: {error:#}", path.display());
            None
        }
    }
}

/// Stores an entry of the cache.
pub(crate) fn keep(cache: &Cache, kind: &str, key: &str, bytes: &[u8]) -> Result<PathBuf, Cause> {
    cache.store(kind, key, bytes).map_err(|error| {
        let path = cache.path(kind, key);
        Cause::Internal(format!(
            "{} cannot be written ({error}); make room or choose another cache folder",
            path.display()
        ))
    })
}

fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Module> {
    // SAFETY: the file is what `precompile_module` made: either it was written just now, or
    // its digest is that of what was written. Entries are replaced whole and never changed, so
    // the mapping stays what it is.
    unsafe { Module::deserialize_file(engine, path) }
}

fn checksum(code: &[u8]) -> String {
    blake3::hash(code).to_hex().to_string()
}

/// Everything about the engine that its machine code depends on.
fn fingerprint(engine: &Engine) -> blake3::Hash {
    let mut hasher = Fingerprint(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize()
}

/// What the engine feeds to a hash table's hasher, for a digest that is the same in
/// every process.
struct Fingerprint(blake3::Hasher);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let bytes = *self.0.finalize().as_bytes();
        u64::from_le_bytes(std::array::from_fn(|index| bytes[index]))
    }
}
