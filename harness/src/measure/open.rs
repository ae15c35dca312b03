//! The open loop: latencies for users who do not wait for each other, at parts of the closed
//! loop's highest rate.

use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::cost::{self, Meter};
use super::load::{Capacity, PATIENCE, expected, is_spinning};
use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::load::open::{self, Arrivals, OpenLoad, OpenWindow};
use crate::run::preset;
use crate::server::child::Child;

/// Connections to instances inside of the server, where they are cheap: enough that a request
/// hardly ever waits for one before the server itself is late.
const CONNECTIONS: usize = 64;
/// The first window is this many times shorter than the others: the pool is full already.
const WARM_UP: u32 = 4;

/// Offers a child every part of its capacity, one after the other.
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
    // A request that finds no idle container would start one, and measure that.
    let connections = if profile.is_outside() { capacity.connections } else { CONNECTIONS };
    for percent in amounts.percents {
        let Some(rate_per_s) = rate(capacity.per_second, *percent) else { continue };
        let places = cost::places(bench, profile, reuse, child, connections)?;
        let (request, expected) = expected(bench, child)?;
        let load = OpenLoad {
            address: child.address(),
            request,
            expected,
            rate_per_s,
            arrivals: Arrivals::Constant,
            connections,
            // The requests of one second. Longer waits do not count as served.
            queue_max: usize::try_from(rate_per_s.get()).unwrap_or(usize::MAX).max(connections),
            windows: windows(&amounts, rate_per_s),
            patience: PATIENCE,
            is_spinning: is_spinning(bench, profile),
        };
        let mut meter = Meter::new(&places, load.windows.len());
        let outcome = open::run(&load, || meter.read())?;
        let outcome = outcome.faultless().with_context(|| format!("{rate_per_s} requests/s"))?;
        let windows = outcome.windows.iter().zip(meter.windows()?).skip(1);
        for (sample, (window, cost)) in windows.enumerate() {
            let row = Row {
                rate_per_s: Some(rate_per_s.get()),
                load_percent: Some(*percent),
                connections: Some(connections as u64),
                ..rows.row_of(reuse, "open", sample as u64)
            };
            add_window(rows, &row, window);
            cost.add(rows, &row, profile);
        }
        rows.commit()?;
    }
    Ok(())
}

fn rate(capacity_per_s: f64, percent: u64) -> Option<NonZeroU64> {
    NonZeroU64::new((capacity_per_s * percent as f64 / 100.0).round() as u64)
}

/// A short window that only warms up, then windows that are long enough for their requests.
fn windows(amounts: &preset::Open, rate_per_s: NonZeroU64) -> Vec<Duration> {
    let enough = Duration::from_secs_f64(amounts.window_requests as f64 / rate_per_s.get() as f64);
    let window = amounts.window.max(enough);
    let mut windows = vec![window / WARM_UP];
    windows.resize(1 + amounts.windows as usize, window);
    windows
}

fn add_window(rows: &mut Rows<'_>, row: &Row, window: &OpenWindow) {
    rows.add(row, "offered_count", window.offered);
    rows.add(row, "responses_count", window.achieved);
    rows.add(row, "dropped_count", window.dropped);
    rows.add(row, "late_count", window.late);
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
        assert_eq!(windows(&amounts, rate(100_000))[1..], [amounts.window; 2]);
        assert_eq!(windows(&amounts, rate(2))[..2], [Duration::from_millis(2_500), Duration::from_secs(10)]);
    }

    #[test]
    fn a_rate_of_zero_is_not_offered() {
        assert_eq!(rate(1_000.0, 25), NonZeroU64::new(250));
        assert_eq!(rate(0.9, 50), None);
    }
}
