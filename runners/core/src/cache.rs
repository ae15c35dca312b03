//! Artifacts kept on disk under the digest of what they were made from.

use std::io;
use std::path::{Path, PathBuf};

/// A folder of artifacts. Entries are written whole or not at all, so that any
/// number of processes may share it.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// The cache in `dir`, which is made when the first entry is stored.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the entry `digest` of this `kind` lies or would lie.
    pub fn path(&self, kind: &str, digest: &str) -> PathBuf {
        self.dir.join(kind).join(digest)
    }

    /// The bytes of an entry; `None` if it has to be made.
    pub fn load(&self, kind: &str, digest: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path(kind, digest)).ok()
    }

    /// Stores an entry and answers its path.
    pub fn store(&self, kind: &str, digest: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(kind, digest);
        let folder = path.parent().expect("an entry lies in a folder");
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        io::Write::write_all(&mut file, bytes)?;
        file.persist(&path)?;
        Ok(path)
    }
}

/// The digest, in hex, of several parts. Every part is preceded by its length, so
/// that no two lists of parts share one digest.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_again_by_kind_and_digest() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("new"));
        let key = digest([b"a".as_slice(), b"b"]);
        assert_eq!(cache.load("module", &key), None);
        cache.store("module", &key, b"bytes").unwrap();
        assert_eq!(cache.load("module", &key).as_deref(), Some(b"bytes".as_slice()));
        assert_eq!(cache.load("snapshot", &key), None);
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
    }
}
