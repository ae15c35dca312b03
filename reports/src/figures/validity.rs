//! Whether the load generator was in time.
//!
//! An open loop promises to send each request at its instant. If the generator itself is late,
//! a latency from that instant is partly the generator's, and not the server's. So each window
//! records the generator's own lateness, and these rules judge it:
//!
//! - A *window* is invalid if the generator was late by more than a millisecond for more than
//!   [`LATE_PART`] of the window's requests, and for two of them at least; or if the 99th
//!   percentile of its lateness is more than [`LATENESS_PART`] of the 99th percentile of the
//!   latency that it measured.
//! - A *cell* is invalid if more than [`WINDOWS_PART`] of its windows are invalid, and two of them
//!   at least. A single window is a disturbance, and is counted.
//! - A *run* is invalid if one of its cells is.
//!
//! The bounds are chosen and not derived: a hundredth, because a 99th percentile then no longer
//! depends on the server alone; a half, because most of the tail is then the generator's.

use std::collections::BTreeMap;

use crate::rows::latencies::Bucket;
use crate::rows::{Latencies, Row, Run};

/// The part of a window's requests for which the generator may be late.
pub const LATE_PART: f64 = 0.01;
/// The part of the measured latency that may be the generator's own lateness, each at its 99th
/// percentile.
pub const LATENESS_PART: f64 = 0.5;
/// The part of a cell's windows that may be invalid.
pub const WINDOWS_PART: f64 = 0.1;
/// The fewest late requests that make a window invalid, and invalid windows that make a cell so.
const FEWEST: usize = 2;

/// How the load generator did in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// Windows whose generator was watched.
    pub windows: usize,
    /// Those of them that are invalid.
    pub invalid_windows: usize,
    /// The invalid cells.
    pub cells: Vec<InvalidCell>,
}

/// A cell whose figures at fixed rates are partly the generator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCell {
    /// The executor spec with all its settings.
    pub executor: String,
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The reuse policy.
    pub reuse: String,
    /// Whether this is the second cell of an A/A pair.
    pub is_twin: bool,
    /// Its windows.
    pub windows: usize,
    /// Those of them that are invalid.
    pub invalid_windows: usize,
}

/// The numbers of one window by which it is judged. Those that a row does not have are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Requests that were due.
    pub offered: u64,
    /// Requests for which the generator was late by more than a millisecond.
    pub generator_late: u64,
    /// The 99th percentile of its lateness, in nanoseconds.
    pub lateness_p99_ns: u64,
    /// The 99th percentile of the latency, in nanoseconds; zero if it has no value.
    pub latency_p99_ns: u64,
}

impl Watched {
    /// Whether the window is valid.
    pub fn is_valid(&self) -> bool {
        let is_late = self.generator_late >= FEWEST as u64
            && self.generator_late as f64 > LATE_PART * self.offered as f64;
        let is_slow = self.latency_p99_ns > 0
            && self.lateness_p99_ns as f64 > LATENESS_PART * self.latency_p99_ns as f64;
        !is_late && !is_slow
    }
}

impl InvalidCell {
    /// The reason, as `run.json` has it.
    pub fn reason(&self) -> String {
        format!(
            "the load generator was late by its own fault in {} of {} windows at fixed rates",
            self.invalid_windows, self.windows
        )
    }
}

type Key<'a> = (&'a str, &'a str, &'a str, &'a str, bool);
type Place<'a> = (&'a str, Option<u64>, Option<u64>, Option<u64>, u32, u64);

impl Validity {
    /// Judges every window that has the metric `generator_late_count`.
    pub fn of(rows: &[Row]) -> Self {
        let mut cells: BTreeMap<Key<'_>, BTreeMap<Place<'_>, Window>> = BTreeMap::new();
        for row in rows.iter().filter(|row| matches!(row.phase.as_str(), "open" | "slo")) {
            let reuse = row.reuse.as_deref().unwrap_or_default();
            let key = (&*row.executor, &*row.function, &*row.variant, reuse, row.twin == Some(true));
            let place =
                (&*row.phase, row.rate_per_s, row.load_percent, row.connections, row.repetition, row.sample);
            cells.entry(key).or_default().entry(place).or_default().take(row);
        }
        let mut validity = Self::default();
        for ((executor, function, variant, reuse, is_twin), windows) in cells {
            let watched = windows.values().filter(|window| window.is_watched);
            let (mut count, mut invalid) = (0, 0);
            for window in watched {
                count += 1;
                invalid += usize::from(!window.is_valid());
            }
            validity.windows += count;
            validity.invalid_windows += invalid;
            if invalid >= FEWEST && invalid as f64 > WINDOWS_PART * count as f64 {
                validity.cells.push(InvalidCell {
                    executor: executor.to_owned(),
                    function: function.to_owned(),
                    variant: variant.to_owned(),
                    reuse: reuse.to_owned(),
                    is_twin,
                    windows: count,
                    invalid_windows: invalid,
                });
            }
        }
        validity
    }

    /// Whether the run is valid.
    pub fn is_valid(&self) -> bool {
        self.cells.is_empty()
    }

    /// A warning for readers, if the run is invalid. It names the first cells.
    pub fn warning(&self, run: &Run) -> Option<String> {
        const NAMED: usize = 3;
        if self.is_valid() {
            return None;
        }
        let first = self.cells.iter().take(NAMED).map(|cell| {
            let (executor, twin) = (run.short_name(&cell.executor), if cell.is_twin { " twin" } else { "" });
            format!("`{executor} {} {} {}{twin}`", cell.function, cell.variant, cell.reuse)
        });
        let names = first.collect::<Vec<_>>().join(", ");
        let more = match self.cells.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "invalid: the load generator was late by its own fault in {} of {} windows at fixed rates; do not \
             use the latencies and rates of the open loop of {names}{more}",
            self.invalid_windows, self.windows
        ))
    }
}

/// The 99th percentile by nearest rank over all offered requests: those without an answer are
/// slower than all others.
fn tail(latencies: &Latencies, offered: u64) -> Option<u64> {
    let rank = (offered * 99).div_ceil(100).max(1);
    let mut before = 0;
    let holds_rank = |bucket: &Bucket| {
        before += bucket.count;
        before >= rank
    };
    latencies.buckets().find(holds_rank).map(|bucket| bucket.high)
}

#[derive(Clone, Debug, Default)]
struct Window {
    counts: Watched,
    latencies: Latencies,
    is_watched: bool,
}

impl Window {
    fn take(&mut self, row: &Row) {
        match row.metric.as_str() {
            "offered_count" => self.counts.offered = row.value,
            "generator_late_count" => {
                self.counts.generator_late = row.value;
                self.is_watched = true;
            }
            "generator_lateness_p99_ns" => self.counts.lateness_p99_ns = row.value,
            "latency_count" => self.latencies = row.histogram.clone().unwrap_or_default(),
            _ => {}
        }
    }

    fn is_valid(&self) -> bool {
        let latency_p99_ns = tail(&self.latencies, self.counts.offered).unwrap_or_default();
        Watched { latency_p99_ns, ..self.counts }.is_valid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(sample: u64, generator_late: u64) -> Vec<Row> {
        let row = |metric: &str, value| Row {
            executor: "wasm".into(),
            function: "hello".into(),
            variant: "rust".into(),
            reuse: Some("warm".into()),
            phase: "open".into(),
            rate_per_s: Some(1_000),
            sample,
            metric: metric.into(),
            value,
            ..Row::default()
        };
        vec![
            row("offered_count", 1_000),
            row("generator_late_count", generator_late),
            row("generator_lateness_p99_ns", 9_000),
            Row { histogram: Some(latencies(1_000)), ..row("latency_count", 1_000) },
        ]
    }

    /// This many latencies of 100 µs.
    fn latencies(count: usize) -> Latencies {
        std::iter::repeat_n(100_000, count).collect()
    }

    #[test]
    fn the_tail_counts_requests_without_an_answer() {
        assert!(tail(&latencies(990), 1_000).is_some_and(|tail| (100_000..101_000).contains(&tail)));
        assert_eq!(tail(&latencies(989), 1_000), None);
        assert_eq!(tail(&Latencies::default(), 0), None);
    }

    #[test]
    fn a_generator_that_makes_most_of_the_tail_is_not_valid() {
        let mut rows = window(0, 0);
        assert!(Validity::of(&[window(1, 0), rows.clone()].concat()).invalid_windows == 0);
        rows.iter_mut()
            .filter(|row| row.metric.starts_with("generator_lateness"))
            .for_each(|row| row.value = 60_000);
        assert_eq!(Validity::of(&rows).invalid_windows, 1);
    }

    #[test]
    fn a_window_is_judged_by_late_requests_and_by_the_tail() {
        let valid = Watched { offered: 1_000, generator_late: 10, lateness_p99_ns: 49, latency_p99_ns: 100 };
        assert!(valid.is_valid());
        assert!(!Watched { generator_late: 11, ..valid }.is_valid());
        assert!(!Watched { lateness_p99_ns: 51, ..valid }.is_valid());
        // Without a percentile of the latency, its second rule does not apply.
        assert!(Watched { lateness_p99_ns: 51, latency_p99_ns: 0, ..valid }.is_valid());
        // One late request of four is a disturbance.
        assert!(Watched { offered: 4, generator_late: 1, ..valid }.is_valid());
    }

    #[test]
    fn a_cell_is_invalid_if_more_than_a_tenth_of_its_windows_are() {
        let of = |late: &[u64]| {
            let rows: Vec<_> = (0..).zip(late).flat_map(|(sample, late)| window(sample, *late)).collect();
            Validity::of(&rows)
        };
        let disturbed = of(&[0, 0, 500]);
        assert_eq!((disturbed.windows, disturbed.invalid_windows, disturbed.is_valid()), (3, 1, true));
        let slow = of(&[0, 500, 500]);
        assert_eq!((slow.invalid_windows, slow.is_valid(), slow.cells.len()), (2, false, 1));
        assert!(slow.cells[0].reason().contains("2 of 3 windows"));
        let mut rare = vec![0; 19];
        rare.extend([500, 500]);
        assert!(of(&rare).is_valid(), "two of 21 are less than a tenth");
    }

    #[test]
    fn rows_of_old_runs_say_nothing_about_the_generator() {
        let mut rows = window(0, 500);
        rows.retain(|row| row.metric != "generator_late_count");
        assert_eq!(Validity::of(&rows), Validity::default());
    }
}
