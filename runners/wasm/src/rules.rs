//! The rules that hold for every instance of a function.

use std::sync::Arc;

use isolab_core::{Cause, Error, Limits, Phase};

use crate::ticker::Ticker;

/// Rules for every instance of a function.
pub(crate) struct Rules {
    /// The executor's spec, in short form.
    executor: String,
    function: String,
    pub(crate) limits: Limits,
    /// The deadline in ticks of the epoch.
    pub(crate) ticks: u64,
    pub(crate) ticker: Arc<Ticker>,
}

impl Rules {
    pub(crate) fn new(executor: String, function: &str, limits: Limits, ticker: Arc<Ticker>) -> Self {
        let ticks = Ticker::ticks(limits.deadline);
        Self { executor, function: function.to_owned(), limits, ticks, ticker }
    }

    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.executor, &self.function, cause)
    }
}
