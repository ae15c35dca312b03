//! What stands in a table's cell.

use crate::grid::NONE;
use crate::row::Cold;
use crate::statistics::Estimate;
use crate::summary::{Figure, Settings};
use crate::units;
use crate::verdict::{Comparison, Verdict};

/// The smallest effect that is worth naming.
const LEAST_EFFECT: f64 = 0.0001;

/// A figure with its interval, if it has one that is not itself.
pub(crate) fn figure(figure: Option<&Figure>) -> String {
    figure.map_or_else(|| NONE.into(), |figure| interval(figure, &figure.estimate))
}

fn interval(figure: &Figure, estimate: &Estimate) -> String {
    let value = figure.show(estimate.value);
    match estimate.interval {
        None => value,
        Some(interval) => format!("{value} [{}, {}]", figure.show(interval.low), figure.show(interval.high)),
    }
}

/// A figure without its interval.
pub(crate) fn value(figure: Option<&Figure>) -> String {
    figure.map_or_else(|| NONE.into(), |figure| figure.show(figure.estimate.value))
}

/// A ratio with its interval.
pub(crate) fn ratio(comparison: &Comparison) -> String {
    let value = units::ratio(comparison.ratio.value);
    match comparison.ratio.interval {
        None => value,
        Some(interval) => {
            format!("{value} [{}, {}]", units::ratio(interval.low), units::ratio(interval.high))
        }
    }
}

/// A verdict, and of a difference that was not shown how large one would have been.
pub(crate) fn verdict(comparison: &Comparison) -> String {
    match (comparison.verdict, comparison.ratio.smallest_effect()) {
        (Verdict::NoDifference, Some(effect)) => {
            // Samples that are all alike would promise to show anything.
            format!("{} (from {} on)", comparison.words(), units::percent(effect.max(LEAST_EFFECT)))
        }
        _ => comparison.words().to_owned(),
    }
}

/// A figure against the best.
pub(super) fn against(figure: Option<&Figure>, best: Option<&Figure>) -> String {
    let comparison = figure.zip(best).and_then(|(figure, best)| Comparison::of(figure, best));
    match (figure.zip(best), comparison) {
        (Some((figure, best)), _) if std::ptr::eq(figure, best) => "best".to_owned(),
        (_, Some(comparison)) => format!("{} {}", ratio(&comparison), verdict(&comparison)),
        (_, None) => NONE.to_owned(),
    }
}

/// The reuse policy that a figure was measured under.
pub(super) fn reuse(figure: &Figure) -> String {
    figure.settings.reuse.clone().unwrap_or_else(|| NONE.to_owned())
}

/// The settings that an answer of something cold has.
pub(super) fn cold(cold: Cold, cached: Option<bool>) -> Settings {
    Settings { cold: Some(cold), cached, ..Settings::default() }
}
