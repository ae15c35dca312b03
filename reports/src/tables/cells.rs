//! The text of a table's cells.

use super::NONE;
use crate::figures::{Comparison, Figure, Group};
use crate::statistics::{Estimate, Interval, Ratio};
use crate::words::precision::Rounded;
use crate::words::units;

/// A figure with its interval, if it has one that is not itself.
pub(crate) fn figure(figure: Option<&Figure>) -> String {
    figure.map_or_else(
        || NONE.into(),
        |figure| {
            let Estimate { value, interval, .. } = figure.estimate;
            let text = with_interval(value, interval, |value| figure.show(value));
            if figure.is_bound { format!("at least {text}") } else { text }
        },
    )
}

/// A value with its interval, if it has one. An interval over more than a factor of ten says only
/// that the run does not know the value: no server could reach its ends.
pub(crate) fn with_interval(value: f64, interval: Option<Interval>, show: impl Fn(f64) -> String) -> String {
    match interval {
        None => show(value),
        Some(interval) if interval.is_vague() => format!("{} [uncertain by more than 10×]", show(value)),
        Some(Interval { low, high }) => format!("{} [{}, {}]", show(value), show(low), show(high)),
    }
}

/// A figure without its interval.
pub(crate) fn value(figure: Option<&Figure>) -> String {
    figure.map_or_else(|| NONE.into(), |figure| figure.show(figure.estimate.value))
}

/// The reason for a dash under a percentile.
pub(super) const FEW: &str =
    "A dash stands where fewer than five answers of a repetition lie beyond the percentile.";

/// A greatest value, which says nothing without the number of samples that it is the greatest of.
pub(super) fn greatest(figure: Option<&Figure>) -> String {
    figure.map_or_else(
        || NONE.into(),
        |figure| {
            let count = units::count(figure.estimate.samples as f64);
            format!("{} of {count}", figure.show(figure.estimate.value))
        },
    )
}

/// A ratio with its interval, in the digits that the interval supports.
pub(crate) fn ratio(ratio: Ratio) -> String {
    match Rounded::of(ratio) {
        Rounded { ends: Some([low, high]), value } => format!("{value}× [{low}, {high}]"),
        Rounded { ends: None, .. } => units::ratio(ratio.value),
    }
}

/// A ratio without its interval, in the digits that the interval supports.
pub(crate) fn bare_ratio(ratio: Ratio) -> String {
    match ratio.interval {
        Some(_) => format!("{}×", Rounded::of(ratio).value),
        None => units::ratio(ratio.value),
    }
}

/// A verdict. Where no difference was seen, also the smallest one that would have been.
pub(crate) fn verdict(comparison: &Comparison) -> String {
    match comparison.least_visible() {
        Some(effect) => format!("{} (less than {effect} would not show)", comparison.words()),
        None => comparison.words().to_owned(),
    }
}

/// A figure compared with the best.
pub(super) fn against(group: &Group, figure: Option<&Figure>, best: Option<&Figure>) -> String {
    let comparison = figure.zip(best).and_then(|(figure, best)| group.compare(figure, best));
    match (figure.zip(best), comparison) {
        (Some((figure, best)), _) if figure.is_bound || best.is_bound => NONE.to_owned(),
        (Some((figure, best)), _) if std::ptr::eq(figure, best) => "best".to_owned(),
        (_, Some(comparison)) => format!("{} {}", ratio(comparison.factor()), verdict(&comparison)),
        (_, None) => NONE.to_owned(),
    }
}

/// The reuse policy of a figure.
pub(super) fn reuse(figure: &Figure) -> String {
    figure.settings.reuse.clone().unwrap_or_else(|| NONE.to_owned())
}
