//! The open loop: latencies for users who do not wait for each other, at rates that all cells
//! share.

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::cost::{self, Cost, Meter};
use super::load::{Capacity, PATIENCE, expected, is_spinning};
use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::load::ladder;
use crate::load::open::{self, OpenLoad, OpenWindow};
use crate::run::preset;
use crate::server::child::Child;

/// Connections to instances inside of the server, where they are cheap: enough that a request
/// hardly ever waits for one before the server itself is late.
const CONNECTIONS: usize = 64;
/// The first window is this many times shorter than the others: the pool is full already.
const WARM_UP: u32 = 4;
/// The queue holds the requests of this part of a window.
const QUEUE_PART: u32 = 4;

/// Offers a child every rate of the ladder up to its capacity and one beyond, one after the other.
///
/// # Errors
/// If an answer is faulty, or the child's cost cannot be read.
pub fn measure(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    reuse: Reuse,
    child: &Child,
    capacity: Capacity,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let amounts = bench.amounts(profile).open;
    for rate_per_s in ladder::rates(capacity.per_second, amounts.is_dense) {
        let windows = windows(&amounts, rate_per_s);
        let offer = Offer {
            rate_per_s,
            queue_max: queue_max(windows[1], rate_per_s),
            windows,
            connections: connections(profile, capacity),
            number: 0,
        };
        let windows = offer.run(bench, profile, reuse, child)?;
        for (sample, (window, cost)) in windows.iter().enumerate() {
            let row = offer.row(rows, reuse, "open", sample as u64);
            offer.add(rows, &row, window);
            cost.add(rows, &row, profile);
        }
        rows.commit()?;
    }
    Ok(())
}

/// The connections of an open loop. A request that finds no idle container would start one, and
/// measure that.
pub fn connections(profile: &BlockProfile, capacity: Capacity) -> usize {
    if profile.is_outside() { capacity.connections } else { CONNECTIONS }
}

/// One load at a fixed rate.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Requests per second.
    pub rate_per_s: NonZeroU64,
    /// The windows. The first one only warms up.
    pub windows: Vec<Duration>,
    /// How many requests may wait for a connection.
    pub queue_max: usize,
    /// Connections.
    pub connections: usize,
    /// Tells loads of one rate and cell apart: their requests come at other instants.
    pub number: u64,
}

impl Offer {
    /// Offers the load; the windows after the first one.
    ///
    /// # Errors
    /// If an answer is faulty, or the child's cost cannot be read.
    pub fn run(
        &self,
        bench: &Bench<'_>,
        profile: &BlockProfile,
        reuse: Reuse,
        child: &Child,
    ) -> Result<Vec<(OpenWindow, Cost)>> {
        let places = cost::places(bench, profile, reuse, child, self.connections)?;
        let (request, expected) = expected(bench, child)?;
        let load = OpenLoad {
            address: child.address(),
            request,
            expected,
            rate_per_s: self.rate_per_s,
            arrivals: bench.lab.preset.arrivals.arrivals(self.seed(bench)),
            connections: self.connections,
            queue_max: self.queue_max,
            windows: self.windows.clone(),
            patience: PATIENCE,
            is_spinning: is_spinning(bench, profile),
        };
        let mut meter = Meter::new(&places, load.windows.len());
        let outcome = open::run(&load, || meter.read())?;
        let outcome = outcome.faultless().with_context(|| format!("{} requests/s", self.rate_per_s))?;
        Ok(outcome.windows.into_iter().zip(meter.windows()?).skip(1).collect())
    }

    /// The seed of random arrivals. It does not depend on the executor: all executors get requests
    /// at the same instants.
    fn seed(&self, bench: &Bench<'_>) -> u64 {
        let repetition = u64::from(bench.block.repetition) << 40;
        let place = repetition | self.number << 32;
        bench.lab.seed.wrapping_add(place).wrapping_add(self.rate_per_s.get())
    }

    /// A row of one of its windows.
    pub fn row(&self, rows: &Rows<'_>, reuse: Reuse, phase: &str, sample: u64) -> Row {
        Row {
            rate_per_s: Some(self.rate_per_s.get()),
            connections: Some(self.connections as u64),
            ..rows.row_of(reuse, phase, sample)
        }
    }

    /// Adds the figures of one window.
    pub fn add(&self, rows: &mut Rows<'_>, row: &Row, window: &OpenWindow) {
        rows.add(row, "queue_max_count", self.queue_max as u64);
        add_window(rows, row, window);
    }
}

/// A short window that only warms up, then windows that are long enough for their requests.
fn windows(amounts: &preset::Open, rate_per_s: NonZeroU64) -> Vec<Duration> {
    let enough = Duration::from_secs_f64(amounts.window_requests as f64 / rate_per_s.get() as f64);
    let window = amounts.window.max(enough);
    let mut windows = vec![window / WARM_UP];
    windows.resize(1 + amounts.windows as usize, window);
    windows
}

/// The requests of a part of a window, at least one: a server that stays behind by as much drops
/// requests before the window ends.
fn queue_max(window: Duration, rate_per_s: NonZeroU64) -> usize {
    let requests = window.as_secs_f64() / f64::from(QUEUE_PART) * rate_per_s.get() as f64;
    (requests as usize).max(1)
}

fn add_window(rows: &mut Rows<'_>, row: &Row, window: &OpenWindow) {
    rows.add(row, "offered_count", window.offered);
    rows.add(row, "responses_count", window.achieved);
    rows.add(row, "dropped_count", window.dropped);
    rows.add(row, "unfinished_count", window.unfinished);
    rows.add(row, "late_count", window.late);
    rows.add(row, "late_waiting_count", window.late_waiting);
    let watched = window.watched();
    rows.add(row, "generator_late_count", watched.generator_late);
    rows.add(row, "generator_lateness_p99_ns", watched.lateness_p99_ns);
    rows.add_duration(row, window.duration);
    rows.add_latencies(row, "latency_count", &window.latency_ns);
    rows.add_latencies(row, "service_count", &window.service_ns);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::preset::DEFAULT;

    #[test]
    fn a_window_lasts_until_its_requests_have_been_offered() {
        let rate = |per_second| NonZeroU64::new(per_second).unwrap();
        let amounts = DEFAULT.light.open;
        assert_eq!(windows(&amounts, rate(100_000))[1..], [amounts.window]);
        assert_eq!(
            windows(&amounts, rate(2))[..2],
            [Duration::from_millis(1_875), Duration::from_millis(7_500)]
        );
    }

    #[test]
    fn a_queue_can_be_filled_within_a_window() {
        let per_second = |per_second| NonZeroU64::new(per_second).unwrap();
        let window = Duration::from_millis(200);
        assert_eq!(queue_max(window, per_second(1_000)), 50);
        assert_eq!(queue_max(window, per_second(2)), 1);
    }
}
