//! Rules for every instance of a function.

use std::sync::Arc;

use isolab_core::{Cause, Error, Limits, Phase};

use isolab_core::watchdog::Watchdog;

/// The names for errors, and the limits of each instance.
#[derive(Clone)]
pub(crate) struct Rules {
    /// The executor's spec, in short form.
    executor: Arc<str>,
    function: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) watchdog: Arc<Watchdog>,
}

impl Rules {
    pub(crate) fn new(executor: &str, function: &str, limits: Limits, watchdog: &Arc<Watchdog>) -> Self {
        Self { executor: executor.into(), function: function.into(), limits, watchdog: watchdog.clone() }
    }

    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.executor, &self.function, cause)
    }
}
