//! The text of a table's cells.

use super::NONE;
use crate::figures::{Comparison, Figure, Verdict};
use crate::statistics::{Interval, Ratio};
use crate::words::units;

/// The smallest effect that a report names.
const LEAST_EFFECT: f64 = 0.0001;

/// A figure with its interval, if it has one.
pub(crate) fn figure(figure: Option<&Figure>) -> String {
    figure.map_or_else(
        || NONE.into(),
        |figure| with_interval(figure.estimate.value, figure.estimate.interval, |value| figure.show(value)),
    )
}

/// A value with its interval, if it has one.
pub(crate) fn with_interval(value: f64, interval: Option<Interval>, show: impl Fn(f64) -> String) -> String {
    match interval {
        None => show(value),
        Some(Interval { low, high }) => format!("{} [{}, {}]", show(value), show(low), show(high)),
    }
}

/// A figure without its interval.
pub(crate) fn value(figure: Option<&Figure>) -> String {
    figure.map_or_else(|| NONE.into(), |figure| figure.show(figure.estimate.value))
}

/// A ratio with its interval.
pub(crate) fn ratio(Ratio { value, interval }: Ratio) -> String {
    with_interval(value, interval, units::ratio)
}

/// A verdict; without a difference, also the smallest one that the run could have shown.
pub(crate) fn verdict(comparison: &Comparison) -> String {
    match (comparison.verdict, comparison.ratio.smallest_effect()) {
        (Verdict::NoDifference, Some(effect)) => {
            // Equal samples would promise to show any difference.
            format!("{} (from {} on)", comparison.words(), units::percent(effect.max(LEAST_EFFECT)))
        }
        _ => comparison.words().to_owned(),
    }
}

/// A figure compared with the best.
pub(super) fn against(figure: Option<&Figure>, best: Option<&Figure>) -> String {
    let comparison = figure.zip(best).and_then(|(figure, best)| Comparison::of(figure, best));
    match (figure.zip(best), comparison) {
        (Some((figure, best)), _) if std::ptr::eq(figure, best) => "best".to_owned(),
        (_, Some(comparison)) => format!("{} {}", ratio(comparison.factor()), verdict(&comparison)),
        (_, None) => NONE.to_owned(),
    }
}

/// The reuse policy of a figure.
pub(super) fn reuse(figure: &Figure) -> String {
    figure.settings.reuse.clone().unwrap_or_else(|| NONE.to_owned())
}
