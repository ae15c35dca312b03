//! What an open loop counts: every request that was meant to be sent is in exactly one
//! window, by the instant it was meant for, and comes to exactly one end.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::{Fault, Faults};

/// A request is *late* if it was sent more than this after the intended instant. Far
/// above what waking up and sending take, and below any latency that matters to a
/// person; it is also the step of the kernel's and tokio's coarse timers, which a
/// generator that goes by them cannot keep.
pub const LATE: Duration = Duration::from_millis(1);

/// Longest latency that is told apart, in nanoseconds: longer ones count as this.
const LONGEST_NS: u64 = 600_000_000_000;

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
    fn new(duration: Duration) -> Self {
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

/// An empty histogram of durations in nanoseconds, to three significant digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("these bounds are valid")
}

/// A duration as it is put into one.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(LONGEST_NS)
}

/// The value of the nearest rank: the smallest that at least this share of `total` does
/// not exceed, where what is not in the histogram exceeds everything.
pub(super) fn at(histogram: &Histogram<u64>, total: u64, quantile: f64) -> Option<u64> {
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
    /// What came to no right answer in any window, by kind; the dropped are not in it.
    pub faults: Faults,
    /// Right answers whose body was another than the expected one.
    pub differing: u64,
    /// The first fault in words.
    pub first_fault: Option<String>,
}

impl OpenOutcome {
    /// The outcome, unless there was a fault. Dropped requests are none.
    pub fn faultless(self) -> anyhow::Result<Self> {
        match self.faults.total() {
            0 => Ok(self),
            faults => anyhow::bail!(
                "{faults} faulty answers at a fixed rate, the first: {}",
                self.first_fault.as_deref().unwrap_or("not known")
            ),
        }
    }
}

/// The stations of a request that has its answer, each since the load's beginning.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When it was meant to be sent.
    pub intended: Duration,
    /// When it was.
    pub sent: Duration,
    /// When its answer was whole.
    pub answered: Duration,
}

/// The running count. All memory is taken at the beginning.
pub struct Ledger {
    /// Where each window ends, since the load's beginning.
    ends: Vec<Duration>,
    outcome: OpenOutcome,
}

impl Ledger {
    /// Windows of these durations, one after the other.
    pub fn new(durations: &[Duration]) -> Self {
        let ends = durations.iter().scan(Duration::ZERO, |end, duration| {
            *end += *duration;
            Some(*end)
        });
        let windows = durations.iter().copied().map(OpenWindow::new).collect();
        let faults = Faults::default();
        Self {
            ends: ends.collect(),
            outcome: OpenOutcome { windows, faults, differing: 0, first_fault: None },
        }
    }

    /// Where each window ends, since the load's beginning.
    pub fn ends(&self) -> &[Duration] {
        &self.ends
    }

    /// Counts a request that is due.
    pub fn offered(&mut self, intended: Duration) {
        if let Some(window) = self.window(intended) {
            window.offered += 1;
        }
    }

    /// Counts one that is due and will never be sent.
    pub fn dropped(&mut self, intended: Duration) {
        if let Some(window) = self.window(intended) {
            window.dropped += 1;
        }
    }

    /// Notes when a request is sent; `waited` says whether there was no connection for it
    /// when it was due.
    pub fn sent(&mut self, intended: Duration, sent: Duration, waited: bool) {
        if sent.saturating_sub(intended) <= LATE {
            return;
        }
        if let Some(window) = self.window(intended) {
            window.late += 1;
            window.late_waiting += u64::from(waited);
        }
    }

    /// Counts a right answer; `differs` says whether its body is another than expected.
    pub fn right(&mut self, times: Times, differs: bool) {
        let since = |from: Duration| nanoseconds(times.answered.saturating_sub(from));
        if let Some(window) = self.window(times.intended) {
            window.responses += 1;
            window.latency_ns.saturating_record(since(times.intended));
            window.service_ns.saturating_record(since(times.sent));
        }
        if let Some(window) = self.window(times.answered) {
            window.achieved += 1;
        }
        self.outcome.differing += u64::from(differs);
    }

    /// Counts a request that came to no right answer.
    pub fn fault(&mut self, fault: Fault, intended: Duration, reason: impl FnOnce() -> String) {
        if let Some(window) = self.window(intended) {
            window.faulty += 1;
        }
        self.outcome.faults.add(fault, 1);
        self.outcome.first_fault.get_or_insert_with(reason);
    }

    /// What there is. Requests that have come to no end yet are timed out.
    pub fn close(mut self, patience: Duration) -> OpenOutcome {
        let mut outstanding = 0;
        for window in &mut self.outcome.windows {
            let open = window.offered - window.responses - window.dropped - window.faulty;
            window.faulty += open;
            outstanding += open;
        }
        if outstanding > 0 {
            self.outcome.faults.add(Fault::TimedOut, outstanding);
            let reason = || format!("no answer within {patience:?} after the last request was due");
            self.outcome.first_fault.get_or_insert_with(reason);
        }
        self.outcome
    }

    /// The window that an instant is in. None after the last one's end.
    fn window(&mut self, at: Duration) -> Option<&mut OpenWindow> {
        let index = self.ends.partition_point(|end| *end <= at);
        self.outcome.windows.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn times(intended: u64, sent: u64, answered: u64) -> Times {
        Times { intended: ms(intended), sent: ms(sent), answered: ms(answered) }
    }

    fn counts(window: &OpenWindow) -> [u64; 5] {
        [window.offered, window.responses, window.dropped, window.faulty, window.achieved]
    }

    #[test]
    fn a_request_belongs_to_the_window_it_was_meant_for() {
        let mut ledger = Ledger::new(&[ms(10), ms(10)]);
        assert_eq!(ledger.ends(), [ms(10), ms(20)]);
        for at in [0, 9, 10, 11, 12, 19] {
            ledger.offered(ms(at));
        }
        ledger.right(times(0, 0, 1), false);
        ledger.right(times(9, 9, 15), true);
        ledger.dropped(ms(10));
        ledger.fault(Fault::Status, ms(11), || "500".into());
        ledger.right(times(12, 18, 25), false);
        let outcome = ledger.close(ms(1));
        assert_eq!(counts(&outcome.windows[0]), [2, 2, 0, 0, 1]);
        assert_eq!(
            counts(&outcome.windows[1]),
            [4, 1, 1, 2, 1],
            "one answer came, one too late to be achieved"
        );
        assert_eq!((outcome.faults.status_count, outcome.faults.timed_out_count), (1, 1));
        assert_eq!((outcome.differing, outcome.first_fault.as_deref()), (1, Some("500")));
        assert!(outcome.faultless().unwrap_err().to_string().starts_with("2 faulty"));
    }

    #[test]
    fn latency_counts_from_the_intended_and_service_from_the_real_moment() {
        let mut ledger = Ledger::new(&[ms(100)]);
        ledger.offered(ms(10));
        ledger.right(times(10, 50, 60), false);
        let window = &ledger.close(ms(1)).windows[0];
        let near = |value: Option<u64>, ms: u64| {
            let ns = ms * 1_000_000;
            // Three significant digits.
            assert!(value.is_some_and(|value| value.abs_diff(ns) <= ns / 1000), "{value:?} {ms}");
        };
        near(window.latency_at(0.5), 50);
        near(window.service_at(0.5), 10);
    }

    #[test]
    fn late_is_more_than_the_bound_after_the_intended_moment() {
        let mut ledger = Ledger::new(&[ms(100)]);
        ledger.sent(ms(5), ms(5) + LATE, false);
        ledger.sent(ms(5), ms(5) + LATE + Duration::from_nanos(1), false);
        ledger.sent(ms(5), ms(50), true);
        ledger.sent(ms(5), ms(5), true);
        let window = &ledger.close(ms(1)).windows[0];
        assert_eq!((window.late, window.late_waiting), (2, 1));
    }

    #[test]
    fn what_has_no_answer_is_slower_than_every_answer() {
        let mut ledger = Ledger::new(&[ms(1000)]);
        for at in 0..100 {
            ledger.offered(ms(at));
            match at {
                0..90 => ledger.right(times(at, at, at + 1 + at), false),
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
