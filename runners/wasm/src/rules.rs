//! The rules that hold for every instance of a function.

use std::sync::Arc;

use isolab_core::function::Grants;
use isolab_core::wasi::Granted;
use isolab_core::{Cause, Environment, Error, Limits, Phase};
use isolab_outbound::Outbound;

use crate::folders::Folders;
use crate::ticker::Ticker;

/// Rules for every instance of a function.
pub(crate) struct Rules {
    /// The executor's spec, in short form.
    executor: String,
    function: String,
    pub(crate) limits: Limits,
    pub(crate) granted: Granted,
    /// The hosts of outbound requests.
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) folders: Folders,
    /// The deadline in ticks of the epoch.
    pub(crate) ticks: u64,
    pub(crate) ticker: Arc<Ticker>,
}

impl Rules {
    pub(crate) fn new(executor: String, function: &str, limits: Limits, ticker: Arc<Ticker>) -> Self {
        let ticks = Ticker::ticks(limits.deadline);
        let (granted, outbound) = (Granted::default(), Arc::new(Outbound::nowhere()));
        let folders = Folders::default();
        Self { executor, function: function.to_owned(), limits, granted, outbound, folders, ticks, ticker }
    }

    /// The same, with everything that the function is granted.
    ///
    /// # Errors
    /// If a granted folder cannot be opened.
    pub(crate) fn granting(self, grants: &Grants, environment: &Environment) -> Result<Self, Error> {
        let folders = Folders::of(grants).map_err(|cause| self.error(Phase::Prepare, cause))?;
        let granted = Granted::of(&self.function, grants);
        Ok(Self { granted, outbound: Arc::new(Outbound::new(grants, environment)), folders, ..self })
    }

    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.executor, &self.function, cause)
    }
}
