//! Whether a load at one rate keeps a bound on the 99th percentile, and the highest rate that does.
//!
//! Each probe is an open loop at one rate. It keeps the bound if the 99th percentile of all
//! offered requests does, and if no more requests are left at its end than a server that keeps
//! the bound can hold: by Little's law, the rate times the bound. A window that is long against
//! the bound shows an overload of a few percent in this way.

use std::num::NonZeroU64;
use std::time::Duration;

use isolab_core::laps::nanoseconds;

use super::open::OpenWindow;
use super::search::{self, Bracket, Probe};

/// The fewest requests of a probe: five are then above the 99th percentile.
pub const ENOUGH: u64 = 500;
/// A probe lasts this many times its bound: an overload of 5 % then breaks the bound.
const BOUNDS: u32 = 20;
/// The part of the closed loop's highest rate at which the search begins.
const FIRST: f64 = 0.8;
/// The search ends at this many times the closed loop's highest rate.
const HIGHEST: f64 = 4.0;
/// The window that only warms up is this part of the probe.
const WARM_UP: u32 = 4;

/// Searches from most of a server's highest rate on, with a probe that has a result for each rate,
/// or `None` if there is no time for another one.
///
/// # Errors
/// Those of the probe.
pub fn search<E>(
    capacity_per_s: f64,
    probes_max: u32,
    mut probe: impl FnMut(NonZeroU64) -> Result<Option<Probe>, E>,
) -> Result<Bracket, E> {
    let limits = (1.0, (capacity_per_s * HIGHEST).max(1.0));
    search::highest(capacity_per_s * FIRST, limits, probes_max, |rate| {
        NonZeroU64::new(rate.round() as u64).map_or(Ok(None), &mut probe)
    })
}

/// A window that only warms up, and one that is long enough for a 99th percentile and to show an
/// overload.
pub fn windows(least: Duration, bound: Duration, rate_per_s: NonZeroU64) -> [Duration; 2] {
    let enough = Duration::from_secs_f64(ENOUGH as f64 / rate_per_s.get() as f64);
    let window = least.max(bound * BOUNDS).max(enough);
    [window / WARM_UP, window]
}

/// The requests of a quarter of the probe, and of two bounds at least: a request must be able to
/// wait longer than the bound.
pub fn queue_max(window: Duration, bound: Duration, rate_per_s: NonZeroU64) -> usize {
    let requests = (window / 4).max(bound * 2).as_secs_f64() * rate_per_s.get() as f64;
    requests.ceil() as usize
}

/// Compares a window with the bound.
pub fn judge(window: &OpenWindow, rate_per_s: NonZeroU64, bound: Duration) -> Probe {
    let Some(p99_ns) = window.latency_at(0.99) else { return Probe::Saturated };
    let held_by_little = rate_per_s.get() as f64 * bound.as_secs_f64();
    let latency = p99_ns as f64 / nanoseconds(bound) as f64;
    // A few requests are always in flight.
    let backlog = window.unfinished as f64 / held_by_little.max(10.0);
    Probe::Ratio(latency.max(backlog))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(10);

    fn window(latency: Duration, unfinished: u64, dropped: u64) -> OpenWindow {
        let mut window = OpenWindow::new(Duration::from_millis(200));
        window.latency_ns.record_n(nanoseconds(latency), 990).unwrap();
        (window.offered, window.responses) = (990 + dropped, 990);
        (window.dropped, window.unfinished) = (dropped, unfinished);
        window
    }

    #[test]
    fn a_probe_is_judged_by_its_tail_and_by_what_is_left() {
        let rate = NonZeroU64::new(5_000).unwrap();
        let ratio = |window: &OpenWindow| match judge(window, rate, BOUND) {
            Probe::Ratio(ratio) => ratio,
            Probe::Saturated => f64::INFINITY,
        };
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 0.01, "{value} {expected}");
        near(ratio(&window(BOUND / 2, 0, 0)), 0.5);
        // 50 requests are in a server that answers 5,000 a second after 10 ms each.
        near(ratio(&window(BOUND / 2, 75, 0)), 1.5);
        assert!(ratio(&window(BOUND / 2, 0, 30)).is_infinite(), "3 % were dropped");
    }

    #[test]
    fn a_probe_is_long_enough_for_its_tail_and_for_its_bound() {
        let length = |per_second, bound| {
            windows(Duration::from_millis(150), bound, NonZeroU64::new(per_second).unwrap())[1]
        };
        assert_eq!(length(100_000, BOUND), Duration::from_millis(200));
        assert_eq!(length(100_000, Duration::from_millis(1)), Duration::from_millis(150));
        assert_eq!(length(100, BOUND), Duration::from_secs(5));
        assert_eq!(queue_max(Duration::from_millis(200), BOUND, NonZeroU64::new(1_000).unwrap()), 50);
    }
}
