//! The state that a prepared function shares with its instances.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use isolab_core::function::Grants;
use isolab_core::{Cause, Error, Limits, Phase};
use isolab_guest::session::Session;
use isolab_outbound::Outbound;

use crate::container::{LABEL_FUNCTION, LABEL_RUN, LABEL_SESSION};
use crate::engine::Engine;
use crate::group::RunGroup;
use crate::settings::Settings;

/// How long a start may take. Node on a loaded machine takes seconds; a server that
/// takes longer than this never connects.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The state that all instances of a function share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) session: Arc<Session>,
    pub(crate) settings: Settings,
    pub(crate) spec: String,
    pub(crate) run_id: String,
    pub(crate) group: RunGroup,
    /// The processor of all instances; none if the engine chooses.
    pub(crate) guest_cpu: Option<usize>,
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// The granted hosts; `None` if the function is granted no host.
    pub(crate) outbound: Option<Arc<Outbound>>,
    pub(crate) start_timeout: Duration,
}

impl Shared {
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let labels = [
            (LABEL_RUN, self.run_id.clone()),
            (LABEL_SESSION, self.session.name.to_string()),
            (LABEL_FUNCTION, self.name.clone()),
        ];
        labels.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
    }

    pub(crate) fn error(&self, phase: Phase, cause: impl Into<Cause>) -> Error {
        Error::new(phase, &self.spec, &self.name, cause.into())
    }
}
