//! Where artifacts lie while measuring.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::BadInput;

/// A folder for each block, so that its first child finds nothing. Removed in the end.
pub struct Caches(tempfile::TempDir);

impl Caches {
    /// Within a folder, or among the system's temporary files.
    pub fn make(within: Option<&Path>) -> Result<Self> {
        let made = match within {
            None => tempfile::Builder::new().prefix("isolab-").tempdir(),
            Some(within) => {
                std::fs::create_dir_all(within).and_then(|()| tempfile::Builder::new().tempdir_in(within))
            }
        };
        let unusable = || {
            let within = within.map_or_else(std::env::temp_dir, Path::to_owned);
            BadInput(format!("the cache {} cannot be written", within.display()))
        };
        Ok(Self(made.with_context(unusable)?))
    }

    /// The folder of all of them.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A new, empty one.
    pub fn fresh(&self) -> Result<PathBuf> {
        let made = tempfile::Builder::new().prefix("block-").tempdir_in(self.path());
        Ok(made.context("a folder for artifacts cannot be made")?.keep())
    }
}
