//! The count of an open loop. Every request belongs to exactly one window, that in which it was
//! due, and ends in exactly one way.

use std::time::Duration;

use isolab_core::laps::nanoseconds;

use super::outcome::{LATE, OpenOutcome, OpenWindow};
use super::queue::Ticket;
use crate::load::outcome::{Fault, Problems};

/// The instants of an answered request, each since the load's beginning.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// When it was due.
    pub intended: Duration,
    /// When it was sent.
    pub sent: Duration,
    /// When its answer was complete.
    pub answered: Duration,
}

/// The running count. All its memory is allocated at the beginning.
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
        Self { ends: ends.collect(), outcome: OpenOutcome { windows, problems: Problems::default() } }
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

    /// Counts a request that is due and is never sent: the queue was full when the generator
    /// handed it out.
    pub fn dropped(&mut self, intended: Duration, handed: Duration) {
        if let Some(window) = self.window(intended) {
            window.dropped += 1;
            window.generator_was_late(handed.saturating_sub(intended));
        }
    }

    /// Notes when a request is sent.
    pub fn sent(&mut self, ticket: Ticket, sent: Duration) {
        let Ticket { intended, handed, is_waiting } = ticket;
        let Some(window) = self.window(intended) else { return };
        let late = sent.saturating_sub(intended);
        // From there on, a request without a free connection waits for the server.
        let own = if is_waiting { handed.saturating_sub(intended) } else { late };
        window.generator_was_late(own);
        if late > LATE {
            window.late += 1;
            window.late_waiting += u64::from(own <= LATE);
        }
    }

    /// Notes, at the end of the window with this index, how many requests have not ended.
    pub fn ends_window(&mut self, index: usize) {
        let ended: u64 = self.outcome.windows.iter().map(|it| it.responses + it.dropped + it.faulty).sum();
        let offered: u64 = self.outcome.windows.iter().map(|window| window.offered).sum();
        if let Some(window) = self.outcome.windows.get_mut(index) {
            window.unfinished = offered.saturating_sub(ended);
        }
    }

    /// Counts a right answer; `differs` says whether its body is not the expected one.
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
        self.outcome.problems.differing += u64::from(differs);
    }

    /// Counts a request without a right answer.
    pub fn fault(&mut self, fault: Fault, intended: Duration, reason: impl FnOnce() -> String) {
        if let Some(window) = self.window(intended) {
            window.faulty += 1;
        }
        self.outcome.problems.add(fault, 1, reason);
    }

    /// The result. Requests that have not ended yet have timed out.
    pub fn close(mut self, patience: Duration) -> OpenOutcome {
        let mut outstanding = 0;
        for window in &mut self.outcome.windows {
            let open = window.offered - window.responses - window.dropped - window.faulty;
            window.faulty += open;
            outstanding += open;
        }
        if outstanding > 0 {
            let reason = || format!("no answer within {patience:?} after the last request was due");
            self.outcome.problems.add(Fault::TimedOut, outstanding, reason);
        }
        self.outcome
    }

    /// The window of an instant; none after the end of the last window.
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
        ledger.dropped(ms(10), ms(10));
        ledger.fault(Fault::Status, ms(11), || "500".into());
        ledger.right(times(12, 18, 25), false);
        let outcome = ledger.close(ms(1));
        assert_eq!(counts(&outcome.windows[0]), [2, 2, 0, 0, 1]);
        assert_eq!(
            counts(&outcome.windows[1]),
            [4, 1, 1, 2, 1],
            "one answer came, one too late to be achieved"
        );
        assert_eq!((outcome.problems.faults.status_count, outcome.problems.faults.timed_out_count), (1, 1));
        assert_eq!((outcome.problems.differing, outcome.problems.first_fault.as_deref()), (1, Some("500")));
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
    fn the_server_or_the_generator_makes_a_request_late() {
        let mut ledger = Ledger::new(&[ms(100)]);
        let ticket = |handed, is_waiting| Ticket { intended: ms(5), handed, is_waiting };
        let just_late = ms(5) + LATE + Duration::from_nanos(1);
        ledger.sent(ticket(ms(5), false), ms(5) + LATE);
        ledger.sent(ticket(ms(5), true), ms(5));
        // No connection was free.
        ledger.sent(ticket(ms(5), true), ms(50));
        // A connection was free, but the generator was slow to send, or to hand out.
        ledger.sent(ticket(ms(5), false), just_late);
        ledger.sent(ticket(just_late, true), ms(50));
        ledger.dropped(ms(5), ms(40));
        let window = &ledger.close(ms(1)).windows[0];
        assert_eq!((window.late, window.late_waiting, window.generator_late), (3, 1, 3));
        assert_eq!(window.generator_lateness_ns.len(), 6);
        assert!(window.generator_lateness_ns.max() >= 34_900_000, "the dropped one was handed out late");
    }

    #[test]
    fn the_end_of_a_window_counts_all_requests_without_an_end() {
        let mut ledger = Ledger::new(&[ms(10), ms(10)]);
        (0..5).for_each(|at| ledger.offered(ms(at)));
        ledger.right(times(0, 0, 1), false);
        ledger.dropped(ms(1), ms(1));
        ledger.ends_window(0);
        ledger.offered(ms(11));
        ledger.right(times(2, 2, 12), false);
        ledger.ends_window(1);
        let outcome = ledger.close(ms(1));
        assert_eq!(outcome.windows.iter().map(|window| window.unfinished).collect::<Vec<_>>(), [3, 3]);
    }
}
