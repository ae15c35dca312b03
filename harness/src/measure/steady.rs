//! Warm-up by count, until a cell is steady.
//!
//! A just-in-time compiler makes code faster after some number of calls, and a pool fills. The
//! cell is loaded, window by window, until its speed no longer changes: the medians of the last
//! [`COMPARED`] windows and of as many before differ by at most [`CHANGE`]. A bound of time
//! ends the search. To compare successive windows is the method of Georges, Buytaert and Eeckhout
//! (2007, "Statistically rigorous Java performance evaluation", §4.2). They compare the coefficient
//! of variation of the last windows with 1 to 2 %, which a virtual machine does not reach in
//! windows this short; a median does not mind single interruptions.

use std::time::{Duration, Instant};

use anyhow::Result;
use isolab_core::Reuse;
use isolab_core::laps::nanoseconds;
use isolab_reports::Row;

use super::rows::Rows;
use crate::load::closed::{self, ClosedLoad, ClosedWindow, Span};
use crate::run::preset::WarmUp;

/// Windows on each side of the comparison.
const COMPARED: usize = 4;
/// The greatest change between both sides.
const CHANGE: f64 = 0.05;

/// The end of a warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmedUp {
    /// Whether the cell was steady, or else the time was over.
    is_steady: bool,
    /// Answers until then.
    answers: u64,
    /// The time that they took.
    duration: Duration,
}

impl WarmedUp {
    /// Adds what the rows say about a warm-up.
    pub fn add(self, rows: &mut Rows<'_>, row: &Row) {
        rows.add(row, "steady_count", self.is_steady.into());
        rows.add(row, "warm_up_count", self.answers);
        rows.add(row, "warm_up_ns", nanoseconds(self.duration));
    }
}

/// Loads a cell until it is steady. Without reuse nothing warms up but the server, which the
/// load's own first window does.
///
/// # Errors
/// If a connection cannot be opened, or an answer is faulty.
pub fn under_load(
    load: &ClosedLoad,
    reuse: Reuse,
    invoke: Duration,
    bounds: &WarmUp,
) -> Result<Option<WarmedUp>> {
    if reuse == Reuse::Fresh {
        return Ok(None);
    }
    let Some(answers) = window_answers(invoke, bounds, load.connections as u64) else {
        return Ok(Some(WarmedUp { is_steady: false, answers: 0, duration: Duration::ZERO }));
    };
    let mut part = load.clone();
    part.windows = vec![Span { duration: Duration::ZERO, answers }; COMPARED];
    let warmed_up = until_steady(bounds, || {
        let outcome = closed::run(&part, || ())?.faultless()?;
        let answers: u64 = outcome.windows.iter().map(|window| window.responses).sum();
        let took: Duration = outcome.windows.iter().map(|window| window.duration).sum();
        // Warm answers are faster than the first one.
        let each = took / u32::try_from(answers).unwrap_or(u32::MAX).max(1);
        if let Some(more) = window_answers(each, bounds, load.connections as u64) {
            part.windows.fill(Span { duration: Duration::ZERO, answers: more });
        }
        Ok((outcome.windows.iter().map(ClosedWindow::per_second).collect(), answers))
    })?;
    Ok(Some(warmed_up))
}

/// Answers of one window: as many for each connection as the bounds say, or fewer if the bound
/// of time would not allow two comparisons. None if it does not allow one answer for each.
fn window_answers(invoke: Duration, bounds: &WarmUp, connections: u64) -> Option<u64> {
    let windows = COMPARED as u128 * 4;
    let affordable = bounds.bound_time.as_nanos() / windows / invoke.as_nanos().max(1);
    let affordable = u64::try_from(affordable).unwrap_or(u64::MAX);
    (affordable >= connections).then(|| affordable.min(bounds.window_answers * connections))
}

/// Measures windows, a few at a time, until they are steady or the time is over. `measure`
/// returns the speeds of its windows and the number of their answers.
///
/// # Errors
/// Those of `measure`.
pub fn until_steady(
    bounds: &WarmUp,
    mut measure: impl FnMut() -> Result<(Vec<f64>, u64)>,
) -> Result<WarmedUp> {
    let begun = Instant::now();
    let (mut speeds, mut answers) = (Vec::new(), 0);
    loop {
        let (more, count) = measure()?;
        speeds.extend(more);
        answers += count;
        let is_steady = is_steady(&speeds);
        if is_steady || begun.elapsed() >= bounds.bound_time {
            return Ok(WarmedUp { is_steady, answers, duration: begun.elapsed() });
        }
    }
}

/// Whether the last windows are as fast as those before.
fn is_steady(speeds: &[f64]) -> bool {
    let Some(first) = speeds.len().checked_sub(2 * COMPARED) else { return false };
    let (before, last) = speeds[first..].split_at(COMPARED);
    (median(last) / median(before) - 1.0).abs() <= CHANGE
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: WarmUp = WarmUp { window_answers: 50, bound_time: Duration::from_mins(1) };

    /// Feeds one window after the other; answers how many were needed.
    fn needed(speed: impl Fn(usize) -> f64, bounds: &WarmUp) -> (bool, u64) {
        let mut window = 0;
        let warmed_up = until_steady(bounds, || {
            window += 1;
            Ok((vec![speed(window - 1)], 1))
        });
        let warmed_up = warmed_up.unwrap();
        (warmed_up.is_steady, warmed_up.answers)
    }

    #[test]
    fn an_even_speed_is_steady_after_the_first_comparison() {
        assert_eq!(needed(|_| 100.0, &BOUNDS), (true, 8));
        let interrupted = |window| if window == 5 { 10.0 } else { 100.0 };
        assert_eq!(needed(interrupted, &BOUNDS), (true, 8), "one interruption does not count");
    }

    #[test]
    fn code_that_becomes_faster_is_warmed_up_until_it_is_fast() {
        // A compiler makes it three times as fast in the sixth window.
        let (is_steady, windows) = needed(|window| if window < 6 { 100.0 } else { 300.0 }, &BOUNDS);
        assert!(is_steady && (11..=14).contains(&windows), "{windows}");
    }

    #[test]
    fn a_cell_that_never_stops_changing_is_not_steady() {
        let grows = |window: usize| 1.5_f64.powi(i32::try_from(window).unwrap());
        let no_time = WarmUp { bound_time: Duration::ZERO, ..BOUNDS };
        assert!(!needed(grows, &no_time).0);
        let speeds: Vec<_> = (0..20).map(grows).collect();
        assert!((8..20).all(|end| !is_steady(&speeds[..end])));
    }

    #[test]
    fn slow_functions_have_smaller_windows() {
        let bounds = WarmUp { bound_time: Duration::from_millis(1_600), ..BOUNDS };
        assert_eq!(window_answers(Duration::from_micros(1), &bounds, 8), Some(400));
        assert_eq!(window_answers(Duration::from_millis(2), &bounds, 8), Some(50));
        assert_eq!(window_answers(Duration::from_secs(2), &bounds, 8), None);
    }
}
