//! The rules that hold for every instance of a function.

use std::sync::Arc;

use isolab_core::function::Grants;
use isolab_core::wasi::Granted;
use isolab_core::{Cause, Environment, Error, Limits, Phase};
use isolab_outbound::Outbound;

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
    /// The deadline in ticks of the epoch.
    pub(crate) ticks: u64,
    pub(crate) ticker: Arc<Ticker>,
}

impl Rules {
    pub(crate) fn new(executor: String, function: &str, limits: Limits, ticker: Arc<Ticker>) -> Self {
        let ticks = Ticker::ticks(limits.deadline);
        let (granted, outbound) = (Granted::default(), Arc::new(Outbound::nowhere()));
        Self { executor, function: function.to_owned(), limits, granted, outbound, ticks, ticker }
    }

    /// The same, with what the function is granted.
    pub(crate) fn granting(self, grants: &Grants, environment: &Environment) -> Self {
        let granted = Granted::of(&self.function, grants);
        Self { granted, outbound: Arc::new(Outbound::new(grants, environment)), ..self }
    }

    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.executor, &self.function, cause)
    }
}
