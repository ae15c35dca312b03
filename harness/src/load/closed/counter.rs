//! The common count of the connections.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use isolab_core::laps::nanoseconds;

use super::Span;
use super::outcome::{ClosedOutcome, ClosedWindow};
use crate::load::outcome::{Fault, Problems, histogram};

/// The running count, shared by all connections of one thread.
pub struct AnswerCounter<F> {
    spans: Vec<Span>,
    /// Allocated before the load runs.
    histograms: Vec<Histogram<u64>>,
    window_began: Instant,
    answers_in_window: u64,
    windows: Vec<ClosedWindow>,
    answered: u64,
    problems: Problems,
    at_boundary: F,
}

impl<F: FnMut()> AnswerCounter<F> {
    /// Begins the first window now.
    pub fn begin(spans: &[Span], mut at_boundary: F) -> Self {
        let histograms = spans.iter().map(|_| histogram()).collect();
        at_boundary();
        Self {
            spans: spans.to_vec(),
            histograms,
            window_began: Instant::now(),
            answers_in_window: 0,
            windows: Vec::with_capacity(spans.len()),
            answered: 0,
            problems: Problems::default(),
            at_boundary,
        }
    }

    /// Whether to send another request.
    pub fn is_open(&self) -> bool {
        self.windows.len() < self.spans.len()
    }

    /// Counts a right answer. It was complete at `now`; `differs` says whether its body is not the
    /// expected one.
    pub fn right(&mut self, latency: Duration, now: Instant, differs: bool) {
        self.answered += 1;
        self.problems.differing += u64::from(differs);
        if let Some(histogram) = self.histograms.get_mut(self.windows.len()) {
            histogram.saturating_record(nanoseconds(latency));
            self.answers_in_window += 1;
            self.close_if_over(now);
        }
    }

    /// Counts a faulty answer.
    pub fn fault(&mut self, fault: Fault, now: Instant, reason: impl FnOnce() -> String) {
        self.answered += 1;
        self.problems.add(fault, 1, reason);
        self.answers_in_window += 1;
        self.close_if_over(now);
    }

    /// Ends the load because no answers come any more.
    pub fn break_off(&mut self, waiting: usize, reason: &str) {
        self.problems.add(Fault::TimedOut, waiting as u64, || reason.to_owned());
        self.spans.truncate(self.windows.len());
    }

    /// A number that grows with every answer.
    pub fn progress(&self) -> u64 {
        self.answered
    }

    /// The result, once no connection counts any more.
    pub fn take(&mut self) -> ClosedOutcome {
        ClosedOutcome {
            windows: std::mem::take(&mut self.windows),
            problems: std::mem::take(&mut self.problems),
        }
    }

    fn close_if_over(&mut self, now: Instant) {
        let Some(span) = self.spans.get(self.windows.len()) else { return };
        let duration = now.duration_since(self.window_began);
        if duration < span.duration || self.answers_in_window < span.answers {
            return;
        }
        let unused = Histogram::new(1).expect("one digit is valid");
        let latency_ns = std::mem::replace(&mut self.histograms[self.windows.len()], unused);
        self.windows.push(ClosedWindow { duration, responses: latency_ns.len(), latency_ns });
        self.window_began = now;
        self.answers_in_window = 0;
        (self.at_boundary)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { duration: Duration::from_millis(10), answers: 2 };

    #[test]
    fn a_window_ends_with_the_answer_that_reaches_both_bounds() {
        let mut boundaries = 0;
        let mut counter = AnswerCounter::begin(&[SPAN, SPAN], || boundaries += 1);
        let began = counter.window_began;
        let at = |ms| began + Duration::from_millis(ms);
        counter.right(Duration::from_millis(11), at(11), false);
        assert_eq!(counter.windows.len(), 0, "one answer is too few");
        counter.right(Duration::from_millis(12), at(12), false);
        counter.right(Duration::from_millis(1), at(13), false);
        counter.right(Duration::from_millis(1), at(21), false);
        assert!(counter.is_open(), "9 ms are too short");
        counter.fault(Fault::Status, at(25), || "500".into());
        assert!(!counter.is_open());

        let outcome = counter.take();
        let windows: Vec<_> = outcome.windows.iter().map(|w| (w.duration.as_millis(), w.responses)).collect();
        assert_eq!(windows, [(12, 2), (13, 2)]);
        assert!((11_900_000..12_100_000).contains(&outcome.windows[0].quantile_ns(1.0)));
        assert!(outcome.faultless().unwrap_err().to_string().ends_with("the first: 500"));
        assert_eq!(boundaries, 3);
    }

    #[test]
    fn a_load_that_is_broken_off_keeps_its_windows() {
        let mut counter = AnswerCounter::begin(&[SPAN, SPAN], || {});
        let now = counter.window_began + SPAN.duration;
        counter.right(Duration::from_nanos(5), now, false);
        counter.right(Duration::from_nanos(5), now, false);
        counter.break_off(4, "stalled");
        assert!(!counter.is_open());
        let outcome = counter.take();
        assert_eq!((outcome.windows.len(), outcome.problems.faults.timed_out_count), (1, 4));
    }
}
