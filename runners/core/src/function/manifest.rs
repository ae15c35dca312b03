//! `function.toml`: what a function says of itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::LoadError;
use super::grants::{Grants, GrantsForm};
use super::limits::{Limits, OwnLimits};

/// The file's name in a function's folder.
pub(super) const FILE: &str = "function.toml";

/// The file's content. Everything is optional, the file too.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(rename = "description")]
    _description: Option<String>,
    /// The folder of the function whose code this one runs.
    pub(super) like: Option<PathBuf>,
    /// The folder of the function whose cases this one has.
    pub(super) cases: Option<PathBuf>,
    /// The case that start-up and load are measured with.
    pub(super) load: Option<String>,
    #[serde(default)]
    limits: LimitsForm,
    #[serde(default)]
    grants: GrantsForm,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsForm {
    memory_bytes: Option<u64>,
    deadline_ms: Option<u64>,
    response_bytes: Option<u64>,
    request_bytes: Option<u64>,
}

impl Manifest {
    /// Reads the file of a function's folder; `None` if there is no such file.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, LoadError> {
        let path = folder.join(FILE);
        if !super::is_file(&path)? {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|error| LoadError::new(&path, error))?;
        toml::from_str(&text).map(Some).map_err(|error| LoadError::new(&path, error))
    }

    /// The limits, checked.
    pub(super) fn limits(&self) -> Result<OwnLimits, String> {
        let LimitsForm { memory_bytes, deadline_ms, response_bytes, request_bytes } = self.limits;
        if memory_bytes.is_some_and(|bytes| !Limits::MEMORY_BYTES.contains(&bytes)) {
            return Err("limits.memory_bytes must lie between 1 MiB and 4 GiB".into());
        }
        if deadline_ms == Some(0) {
            return Err("limits.deadline_ms must not be 0".into());
        }
        let deadline = deadline_ms.map(Duration::from_millis);
        Ok(OwnLimits { memory_bytes, deadline, response_bytes, request_bytes })
    }

    /// The grants, checked. `folder` is the function's.
    pub(super) fn grants(&self, folder: &Path) -> Result<Grants, String> {
        self.grants.read(folder)
    }
}
