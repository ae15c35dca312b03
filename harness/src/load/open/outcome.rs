//! The result of an open loop.

use std::time::Duration;

use hdrhistogram::Histogram;
use isolab_core::laps::nanoseconds;
use isolab_reports::figures::Watched;

use crate::load::outcome::{Problems, histogram};

/// A request is *late* if it was sent more than this after the intended instant. It is far
/// above the time of waking up and sending, and below any latency that matters to a person. It
/// is also the step of the kernel's and tokio's coarse timers: a generator that used those
/// would be late.
pub const LATE: Duration = Duration::from_millis(1);

/// One window of an open loop. `offered` is the sum of `responses`, `dropped` and
/// `faulty`.
#[derive(Clone, Debug)]
pub struct OpenWindow {
    /// Its length.
    pub duration: Duration,
    /// Requests that were due in it.
    pub offered: u64,
    /// Right answers to them, whenever they came.
    pub responses: u64,
    /// Dropped: the queue was full.
    pub dropped: u64,
    /// Without a right answer, though not dropped.
    pub faulty: u64,
    /// Right answers that came during the window, whenever their requests were due.
    pub achieved: u64,
    /// Sent more than [`LATE`] after the intended instant.
    pub late: u64,
    /// Late requests that were handed out in time and waited for a connection: the server was
    /// slow, or there were too few connections.
    pub late_waiting: u64,
    /// Requests, sent or dropped, that are late by the generator's own fault: it handed them out
    /// more than [`LATE`] after their instant, or had a free connection and did not send.
    pub generator_late: u64,
    /// The generator's own lateness for every request that was sent or dropped, in nanoseconds:
    /// from the intended instant to the sending, or, if no connection was free, to the queue.
    pub generator_lateness_ns: Histogram<u64>,
    /// Requests of this and earlier windows that had not ended when it ended: they waited in the
    /// queue or for an answer.
    pub unfinished: u64,
    /// From the *intended* instant to the complete answer, for right answers, in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// From the real sending to the complete answer, for right answers, in nanoseconds. This is
    /// what a closed loop would see.
    pub service_ns: Histogram<u64>,
}

impl OpenWindow {
    /// An empty one.
    pub fn new(duration: Duration) -> Self {
        Self {
            duration,
            offered: 0,
            responses: 0,
            dropped: 0,
            faulty: 0,
            achieved: 0,
            late: 0,
            late_waiting: 0,
            generator_late: 0,
            generator_lateness_ns: histogram(),
            unfinished: 0,
            latency_ns: histogram(),
            service_ns: histogram(),
        }
    }

    /// Counts the generator's own lateness for one request.
    pub(super) fn generator_was_late(&mut self, own: Duration) {
        self.generator_late += u64::from(own > LATE);
        self.generator_lateness_ns.saturating_record(nanoseconds(own));
    }

    /// The numbers by which the generator is judged.
    pub fn watched(&self) -> Watched {
        Watched {
            offered: self.offered,
            generator_late: self.generator_late,
            lateness_p99_ns: self.generator_lateness_ns.value_at_quantile(0.99),
            latency_p99_ns: self.latency_at(0.99).unwrap_or_default(),
        }
    }

    /// Requests that were due, per second.
    pub fn offered_per_s(&self) -> f64 {
        self.offered as f64 / self.duration.as_secs_f64()
    }

    /// Right answers during the window, per second.
    pub fn achieved_per_s(&self) -> f64 {
        self.achieved as f64 / self.duration.as_secs_f64()
    }

    /// This quantile of the latency over *all offered* requests, in nanoseconds. A request that
    /// was dropped or has no right answer counts as slower than every answer; a quantile among
    /// those has no value.
    pub fn latency_at(&self, quantile: f64) -> Option<u64> {
        at(&self.latency_ns, self.offered, quantile)
    }

    /// As [`OpenWindow::latency_at`], but from the real sending, over all requests that were not
    /// dropped.
    pub fn service_at(&self, quantile: f64) -> Option<u64> {
        at(&self.service_ns, self.offered - self.dropped, quantile)
    }
}

/// A quantile by nearest rank over `total` requests, of which those outside the histogram are
/// slower than all others.
pub(in crate::load) fn at(histogram: &Histogram<u64>, total: u64, quantile: f64) -> Option<u64> {
    let rank = ((quantile * total as f64).ceil() as u64).clamp(1, total.max(1));
    // Half a rank less, because the histogram rounds the product up.
    let share = (rank as f64 - 0.5) / histogram.len() as f64;
    (rank <= histogram.len()).then(|| histogram.value_at_quantile(share))
}

/// All windows of an open loop.
#[derive(Clone, Debug)]
pub struct OpenOutcome {
    /// The windows, in order.
    pub windows: Vec<OpenWindow>,
    /// Everything that went wrong in all windows, without the dropped requests.
    pub problems: Problems,
}

impl OpenOutcome {
    /// The outcome. Dropped requests are not faults.
    ///
    /// # Errors
    /// If there was a fault.
    pub fn faultless(self) -> anyhow::Result<Self> {
        self.problems.faultless("at a fixed rate").map(|()| self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Ledger, Times};
    use super::*;
    use crate::load::Fault;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_request_without_an_answer_counts_as_slower_than_every_answer() {
        let mut ledger = Ledger::new(&[ms(1000)]);
        for at in 0..100 {
            ledger.offered(ms(at));
            match at {
                0..90 => {
                    ledger.right(Times { intended: ms(at), sent: ms(at), answered: ms(at + 1 + at) }, false);
                }
                90..95 => ledger.dropped(ms(at), ms(at)),
                _ => ledger.fault(Fault::Transfer, ms(at), || "reset".into()),
            }
        }
        let window = &ledger.close(ms(1)).windows[0];
        let whole_ms = |value: Option<u64>| value.map(|ns| (ns + 500_000) / 1_000_000);
        assert_eq!(whole_ms(window.latency_at(0.0)), Some(1));
        assert_eq!(whole_ms(window.latency_at(0.5)), Some(50));
        assert_eq!(whole_ms(window.latency_at(0.9)), Some(90));
        assert_eq!((window.latency_at(0.91), window.latency_at(1.0)), (None, None));
        // 90 % of the 95 that were sent is rank 86.
        assert_eq!(whole_ms(window.service_at(0.9)), Some(86));
        assert_eq!(window.service_at(0.95), None);
        assert_eq!(OpenWindow::new(ms(1)).latency_at(0.5), None, "an empty window has no quantile");
    }
}
