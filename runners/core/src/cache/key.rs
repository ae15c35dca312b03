//! The secret that the entries of a cache are sealed with.
//!
//! One file for each user, of random bytes, readable by that user alone. The first process that
//! needs the key makes the file; every later one, and every other process of the user, reads it.

use std::fs::DirBuilder;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Bytes of the key.
pub(super) const LEN: usize = blake3::KEY_LEN;

/// The key, read when it is first needed.
#[derive(Debug)]
pub(super) struct Key {
    /// `None` if the user has no home folder.
    path: Option<PathBuf>,
    bytes: OnceLock<[u8; LEN]>,
}

/// Why the key of cached artifacts cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no folder to keep the key in.
    #[error("there is no folder for the key of cached artifacts; set HOME or XDG_STATE_HOME")]
    NoFolder,
    /// The file cannot be read or made.
    #[error(
        "the key of cached artifacts, {}, cannot be used: {reason}; remove it, or set XDG_STATE_HOME to a folder \
         that only you can write to", path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl Key {
    pub(super) fn of_user() -> Self {
        // The specification of XDG's folders has relative paths ignored.
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let state = state.or_else(|| Some(std::env::home_dir()?.join(".local/state")));
        let path = state.filter(|path| path.is_absolute()).map(|state| state.join("isolab/cache-key"));
        Self { path, bytes: OnceLock::new() }
    }

    pub(super) fn at(path: PathBuf) -> Self {
        Self { path: Some(path), bytes: OnceLock::new() }
    }

    pub(super) fn bytes(&self) -> Result<&[u8; LEN], KeyError> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(bytes);
        }
        let path = self.path.as_deref().ok_or(KeyError::NoFolder)?;
        let bytes = read_or_make(path)
            .map_err(|error| KeyError::File { path: path.to_owned(), reason: error.to_string() })?;
        // Another thread may have been first; it read the same file.
        Ok(self.bytes.get_or_init(|| bytes))
    }
}

fn read_or_make(path: &Path) -> io::Result<[u8; LEN]> {
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path)?;
            // Read again: another process may have made the file first.
            read(path)
        }
        found => found,
    }
}

fn read(path: &Path) -> io::Result<[u8; LEN]> {
    let mut file = super::open_regular(path)?;
    let metadata = file.metadata()?;
    let refused = |reason: &str| Err(io::Error::other(reason));
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return refused("it belongs to another user");
    }
    if metadata.mode() & 0o077 != 0 {
        return refused("other users can read or write it");
    }
    if metadata.len() != LEN as u64 {
        return refused("it does not have the length of a key");
    }
    let mut bytes = [0; LEN];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Makes the file, whole and on disk, unless another process does so first.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it is not in a folder"))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes)?;
    // A temporary file has the mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(lost) if lost.error.kind() != io::ErrorKind::AlreadyExists => Err(lost.error),
        _ => Ok(()),
    }
}
