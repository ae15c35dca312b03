//! What an open loop came to.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::load::outcome::{Problems, histogram};

/// A request is *late* if it was sent more than this after the intended instant. Far
/// above what waking up and sending take, and below any latency that matters to a
/// person; it is also the step of the kernel's and tokio's coarse timers, which a
/// generator that goes by them cannot keep.
pub const LATE: Duration = Duration::from_millis(1);

/// One window of an open loop. `offered` is the sum of `responses`, `dropped` and
/// `faulty`.
#[derive(Clone, Debug)]
pub struct OpenWindow {
    /// How long it was meant to be, and was.
    pub duration: Duration,
    /// Requests meant to be sent in it.
    pub offered: u64,
    /// Right answers to them, whenever those came.
    pub responses: u64,
    /// Of them, never sent: as many as may were waiting for a connection already.
    pub dropped: u64,
    /// Of them, sent or still waiting, but without a right answer.
    pub faulty: u64,
    /// Right answers that came while the window lasted, whenever they were asked for.
    pub achieved: u64,
    /// Sent more than [`LATE`] after the intended instant.
    pub late: u64,
    /// Of the late ones, those that waited for a connection, as the server was slow or
    /// the connections are too few. With the others the generator itself was late.
    pub late_waiting: u64,
    /// From the *intended* instant to having the whole answer, of right answers.
    pub latency_ns: Histogram<u64>,
    /// From really sending to having the whole answer, of right answers. What a closed
    /// loop would see of them; what waited before is hidden.
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
            latency_ns: histogram(),
            service_ns: histogram(),
        }
    }

    /// Requests that were meant to be sent in a second.
    pub fn offered_per_s(&self) -> f64 {
        self.offered as f64 / self.duration.as_secs_f64()
    }

    /// Right answers in a second.
    pub fn achieved_per_s(&self) -> f64 {
        self.achieved as f64 / self.duration.as_secs_f64()
    }

    /// The latency that this share of *all offered* requests does not exceed, in
    /// nanoseconds. What was dropped or has no right answer counts as slower than every
    /// answer; a quantile that falls there has no value.
    pub fn latency_at(&self, quantile: f64) -> Option<u64> {
        at(&self.latency_ns, self.offered, quantile)
    }

    /// As [`OpenWindow::latency_at`], from the real moment of sending, over all requests
    /// but the dropped ones.
    pub fn service_at(&self, quantile: f64) -> Option<u64> {
        at(&self.service_ns, self.offered - self.dropped, quantile)
    }
}

/// The value of the nearest rank: the smallest that at least this share of `total` does
/// not exceed, where what is not in the histogram exceeds everything.
pub(in crate::load) fn at(histogram: &Histogram<u64>, total: u64, quantile: f64) -> Option<u64> {
    let rank = ((quantile * total as f64).ceil() as u64).clamp(1, total.max(1));
    // Half a rank less, as the histogram rounds up what multiplying leaves over.
    let share = (rank as f64 - 0.5) / histogram.len() as f64;
    (rank <= histogram.len()).then(|| histogram.value_at_quantile(share))
}

/// All windows of an open loop.
#[derive(Clone, Debug)]
pub struct OpenOutcome {
    /// The windows, in order.
    pub windows: Vec<OpenWindow>,
    /// What came to no right answer in any window; the dropped are not in it.
    pub problems: Problems,
}

impl OpenOutcome {
    /// The outcome, unless there was a fault. Dropped requests are none.
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
    fn what_has_no_answer_is_slower_than_every_answer() {
        let mut ledger = Ledger::new(&[ms(1000)]);
        for at in 0..100 {
            ledger.offered(ms(at));
            match at {
                0..90 => {
                    ledger.right(Times { intended: ms(at), sent: ms(at), answered: ms(at + 1 + at) }, false);
                }
                90..95 => ledger.dropped(ms(at)),
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
        assert_eq!(OpenWindow::new(ms(1)).latency_at(0.5), None, "of nothing there is no quantile");
    }
}
