//! Machine code cached on disk under the module's content and the engine's settings.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};

use isolab_core::{Cache, Cause, cache};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use wasmtime::{Engine, Module};

use crate::engine::TABLE_ELEMENTS;

/// The kind of these entries in the cache.
const KIND: &str = "wasm-code";

/// The most memories of a module. Large programs have one.
const MEMORIES: u32 = 8;

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
    // SAFETY: the compiler has just made it.
    let module = unsafe { load(engine, &code) }.map_err(|error| does_not_fit(&error))?;
    check_size(&module)?;
    cache.store(KIND, &key, &code).map_err(|error| Cause::Internal(error.to_string()))?;
    Ok(Compiled { module, bytes: code.len() as u64, cached: false })
}

/// Refuses components and text with a better reason than the compiler's.
fn check_kind(wasm: &[u8]) -> Result<(), Cause> {
    const CORE: &[u8] = b"\0asm\x01\0\0\0";
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    if wasm.starts_with(COMPONENT) {
        let reason = "it is a component; use a core module, such as the target wasm32-wasip1 makes";
        return Err(Cause::Artifact(reason.into()));
    }
    if wasm.starts_with(CORE) { Ok(()) } else { Err(Cause::Artifact("it is not a Wasm module".into())) }
}

fn find(engine: &Engine, cache: &Cache, key: &str) -> Option<Compiled> {
    let code = cache.load(KIND, key)?;
    // SAFETY: the cache has verified that this user's executor stored it, under a name that
    // only the compiler's output for this module and this engine is stored under.
    match unsafe { load(engine, &code) } {
        Ok(module) => Some(Compiled { module, bytes: code.len() as u64, cached: true }),
        Err(error) => {
            let path = cache.path(KIND, key);
            tracing::warn!("{} cannot be used and will be made again: {error:#}", path.display());
            None
        }
    }
}

/// Maps machine code, from a sealed copy in memory: a file in the cache could still be
/// changed, or replaced, between its check and its use, and for as long as it is mapped.
/// Wasmtime maps the copy as it would map the file, so instances share its pages.
///
/// # Safety
/// The bytes must be what the compiler made: the host will run them.
unsafe fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Module> {
    let copy = sealed(code)?;
    // SAFETY: the caller answers for the bytes, and nobody can change a sealed file.
    unsafe { Module::deserialize_open_file(engine, copy) }
}

/// A file in memory with these bytes, which nobody can change any more.
fn sealed(bytes: &[u8]) -> io::Result<File> {
    let descriptor = memfd_create(c"isolab-wasm-code", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(descriptor);
    file.write_all(bytes)?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file)
}

/// The engine refuses what it has just compiled only if its pool is laid out for less.
fn does_not_fit(error: &wasmtime::Error) -> Cause {
    Cause::Artifact(format!(
        "the module does not fit the pool of instances ({error:#}); try `allocator=ondemand`"
    ))
}

/// Refuses what no memory limit bounds before an instance is started.
fn check_size(module: &Module) -> Result<(), Cause> {
    let required = module.resources_required();
    if required.num_memories > MEMORIES {
        let count = required.num_memories;
        return Err(Cause::Artifact(format!(
            "the module has {count} memories; at most {MEMORIES} are allowed, because each takes more than 4 GiB of \
             addresses"
        )));
    }
    match required.max_initial_table_size {
        Some(elements) if elements > TABLE_ELEMENTS as u64 => Err(Cause::Artifact(format!(
            "a table of the module begins with {elements} elements; at most {TABLE_ELEMENTS} are allowed"
        ))),
        _ => Ok(()),
    }
}

/// Everything about the engine that its machine code depends on.
fn fingerprint(engine: &Engine) -> blake3::Hash {
    let mut hasher = Fingerprint(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize()
}

/// Digests what Wasmtime feeds to the hasher of a hash table: unlike that hash, the digest is
/// the same in every process.
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_sealed_file_cannot_be_changed_not_even_by_its_own_process() {
        let mut file = sealed(b"code").unwrap();
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let reopened = File::options().write(true).open(path);
        assert!(reopened.and_then(|mut again| again.write_all(b"x")).is_err());
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "code");
    }
}
