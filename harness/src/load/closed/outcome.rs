//! The result of a closed loop.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::load::outcome::Problems;

/// One window: the right answers in it, and how long each took.
#[derive(Clone, Debug)]
pub struct ClosedWindow {
    /// From the answer before the first to the last.
    pub duration: Duration,
    /// Right answers.
    pub responses: u64,
    /// From sending a request to its complete answer, in nanoseconds, to three significant
    /// digits.
    pub latency_ns: Histogram<u64>,
}

impl ClosedWindow {
    /// Right answers in a second.
    pub fn per_second(&self) -> f64 {
        self.responses as f64 / self.duration.as_secs_f64()
    }

    /// This quantile of the latency, in nanoseconds.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        self.latency_ns.value_at_quantile(quantile)
    }
}

/// All windows of a closed loop.
#[derive(Clone, Debug)]
pub struct ClosedOutcome {
    /// The windows that were finished, in order.
    pub windows: Vec<ClosedWindow>,
    /// Everything that went wrong.
    pub problems: Problems,
}

impl ClosedOutcome {
    /// The outcome.
    ///
    /// # Errors
    /// If there was a fault.
    pub fn faultless(self) -> anyhow::Result<Self> {
        self.problems.faultless("under load").map(|()| self)
    }
}
