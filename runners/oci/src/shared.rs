//! The state that a prepared function shares with its instances.

use std::path::PathBuf;
use std::sync::Arc;

use isolab_core::function::Grants;
use isolab_core::{Cause, Error, Limits, Phase};
use isolab_guest::session::Session;
use isolab_outbound::Outbound;

use crate::runtime::Runtime;
use crate::settings::Settings;

/// The state that all instances of a function share.
pub(crate) struct Shared {
    pub(crate) session: Arc<Session>,
    pub(crate) runtime: Arc<Runtime>,
    /// The folder in which the runtime keeps the state of its containers.
    pub(crate) state: PathBuf,
    /// The path of the group around the containers, below the root of a hierarchy.
    pub(crate) group: PathBuf,
    pub(crate) settings: Settings,
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
