//! The state that a prepared function shares with its instances.

use std::path::PathBuf;
use std::sync::Arc;

use isolab_core::function::Grants;
use isolab_core::{Cause, Error, Limits, Phase};
use isolab_guest::session::Session;
use isolab_outbound::Outbound;

use crate::runtime::Runtime;

/// The state that all instances of a function share.
pub(crate) struct Shared {
    pub(crate) runtime: &'static Runtime,
    pub(crate) program: PathBuf,
    pub(crate) session: Arc<Session>,
    /// The folder with the function's files.
    pub(crate) folder: PathBuf,
    /// Requests that an instance answers at the same time.
    pub(crate) concurrency: u64,
    pub(crate) spec: String,
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// The granted hosts; `None` if the function is granted no host.
    pub(crate) outbound: Option<Arc<Outbound>>,
    /// The processor of all instances; none if they may use any.
    pub(crate) guest_cpu: Option<usize>,
}

impl Shared {
    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.spec, &self.name, cause)
    }
}
