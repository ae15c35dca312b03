//! Artifacts on disk, each under the digest of its source.
//!
//! Executors run cached machine code, and V8 reads cached heaps: a forged entry would run code
//! in the host. So every entry begins with a seal, a digest of its kind, its name and its bytes
//! that only a holder of the secret key can compute. A writer of the cache folder who does not
//! know the key can delete entries, but the host refuses forged ones.
//!
//! [`Cache::load`] reads an entry once and returns the bytes that it verified. A caller that
//! opened the file again by its path would trust whoever replaced it in between.

mod key;
mod prune;

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::key::Key;
pub use self::key::KeyError;

/// The most bytes of a cache that is pruned: some hundred functions on every executor.
pub const LIMIT_BYTES: u64 = 4 << 30;

/// Bytes of the seal in front of an entry.
const SEAL_LEN: usize = blake3::OUT_LEN;

/// A folder of artifacts. Entries are written whole or not at all, so that any
/// number of processes may share it.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    key: Arc<Key>,
}

/// Why an entry could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is no usable key to seal the entry with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The entry could not be written.
    #[error("{} cannot be written ({error}); make room or choose another cache folder", path.display())]
    Write {
        /// The entry.
        path: PathBuf,
        /// The reason.
        #[source]
        error: io::Error,
    },
}

impl Cache {
    /// The cache in `dir`, which is made when the first entry is stored. Its key is the
    /// user's own: `isolab/cache-key` in `$XDG_STATE_HOME` or `~/.local/state`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), key: Arc::new(Key::of_user()) }
    }

    /// A cache whose key is the file `key`, which is made when it is first needed.
    pub fn with_key(dir: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), key: Arc::new(Key::at(key.into())) }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of the entry `digest` of this `kind`, whether or not it exists.
    pub fn path(&self, kind: &str, digest: &str) -> PathBuf {
        self.dir.join(kind).join(digest)
    }

    /// The bytes of an entry; `None` if it has to be made, because it is missing or its seal
    /// is not valid. The log names refused entries.
    pub fn load(&self, kind: &str, digest: &str) -> Option<Vec<u8>> {
        let path = self.path(kind, digest);
        match self.read(&path, kind, digest) {
            Ok(found) => found,
            Err(reason) => {
                tracing::warn!("{} is not used and will be made again: {reason}", path.display());
                None
            }
        }
    }

    /// Removes the entries that were used least recently, if all of them have more bytes than the limit. Answers how
    /// many bytes were removed.
    ///
    /// # Errors
    /// If the folder cannot be read, or an entry cannot be removed.
    pub fn prune(&self, limit_bytes: u64) -> io::Result<u64> {
        prune::prune(&self.dir, limit_bytes)
    }

    /// Stores an entry.
    ///
    /// # Errors
    /// If there is no key to seal it with, or the file cannot be written.
    pub fn store(&self, kind: &str, digest: &str, bytes: &[u8]) -> Result<(), CacheError> {
        let seal = seal(self.key.bytes()?, kind, digest, bytes);
        let path = self.path(kind, digest);
        let write = || {
            let folder = path.parent().expect("an entry lies in a folder");
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(seal.as_bytes())?;
            file.write_all(bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| CacheError::Write { path: path.clone(), error })
    }

    fn read(&self, path: &Path, kind: &str, digest: &str) -> Result<Option<Vec<u8>>, String> {
        let mut file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let key = self.key.bytes().map_err(|error| error.to_string())?;
        let (mut expected, mut bytes) = ([0; SEAL_LEN], Vec::new());
        file.read_exact(&mut expected).map_err(|_| "it is truncated".to_owned())?;
        file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if seal(key, kind, digest, &bytes) == blake3::Hash::from_bytes(expected) {
            prune::record_use(&file);
            Ok(Some(bytes))
        } else {
            Err("it is damaged, or was not written with this user's key".into())
        }
    }
}

/// Kind and name are part of the seal, so that one entry cannot stand in for another.
fn seal(key: &[u8; key::LEN], kind: &str, digest: &str, bytes: &[u8]) -> blake3::Hash {
    hash(blake3::Hasher::new_keyed(key), [kind.as_bytes(), digest.as_bytes(), bytes])
}

/// The digest, in hex, of several parts. Every part is preceded by its length, so
/// that no two lists of parts share one digest.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    hash(blake3::Hasher::new(), parts).to_hex().to_string()
}

fn hash<'a>(mut hasher: blake3::Hasher, parts: impl IntoIterator<Item = &'a [u8]>) -> blake3::Hash {
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// Opens a regular file for reading. A link could lead anywhere, and a pipe would make the
/// reader wait for ever.
fn open_regular(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use nix::fcntl::OFlag;
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match std::fs::File::options().read(true).custom_flags(flags.bits()).open(path) {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            return Err(io::Error::other("it is a symbolic link"));
        }
        opened => opened?,
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

#[cfg(test)]
mod tests;
