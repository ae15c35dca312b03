//! The folders for artifacts while measuring.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::BadInput;

/// Hands out a new folder for each block, so that its first child finds nothing. All are removed
/// at the end.
pub struct Caches(tempfile::TempDir);

impl Caches {
    /// In this folder, by default in the system's folder for temporary files.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn make(within: Option<&Path>) -> Result<Self> {
        let made = match within {
            None => tempfile::Builder::new().prefix("isolab-").tempdir(),
            Some(within) => {
                std::fs::create_dir_all(within).and_then(|()| tempfile::Builder::new().tempdir_in(within))
            }
        };
        let unusable = || {
            let within = within.map_or_else(std::env::temp_dir, Path::to_owned);
            BadInput(format!("cannot write to the cache {}", within.display()))
        };
        Ok(Self(made.with_context(unusable)?))
    }

    /// The folder that has all of them.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A new, empty folder.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn fresh(&self) -> Result<PathBuf> {
        let made = tempfile::Builder::new().prefix("block-").tempdir_in(self.path());
        Ok(made.context("cannot make a folder for artifacts")?.keep())
    }
}
