//! The places of values along an axis, and its ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::charts::latency::MAXIMUM;
use crate::charts::{Axis, AxisUnit, Scale};

/// An axis with its ends.
#[derive(Clone, Debug)]
pub(crate) struct Ruler {
    pub(crate) axis: Axis,
    /// Values that are marked.
    ticks: Vec<f64>,
    /// Ends, in places.
    ends: Range<f64>,
}

impl Ruler {
    /// An axis that contains all `values`, with about `most` ticks at most. A logarithmic axis
    /// ignores values that are not positive.
    pub(crate) fn over(axis: &Axis, values: impl Iterator<Item = f64>, most: usize) -> Self {
        let usable = |value: &f64| value.is_finite() && (axis.scale == Scale::Linear || *value > 0.0);
        let (mut low, mut high) = values
            .filter(usable)
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        let (ticks, ends) = match (axis.unit, axis.scale) {
            (AxisUnit::Percentile, _) => (vec![2.0, 10.0, 100.0, 1000.0, MAXIMUM], (1.0, MAXIMUM)),
            (AxisUnit::Share, _) => (vec![0.0, 25.0, 50.0, 75.0, 100.0], (0.0, 100.0)),
            (AxisUnit::Bytes, Scale::Log) => powers(low, high, most, 2, &[1, 2, 4, 5, 10]),
            // Ladders of connections and instances double.
            (AxisUnit::Count, Scale::Log) => powers(low, high, most, 2, &[1, 2, 3, 4]),
            (_, Scale::Log) => logarithmic(low, high, most),
            (_, Scale::Linear) => linear(low, high, most),
        };
        let place = |value: f64| place(axis.scale, value);
        let pad = (place(ends.1) - place(ends.0)) * if axis.unit == AxisUnit::Share { 0.0 } else { 0.03 };
        let ends = place(ends.0) - pad..place(ends.1) + pad;
        Self { axis: axis.clone(), ticks, ends }
    }

    /// Whether a value has a place: a logarithmic scale takes only positive ones.
    pub(super) fn takes(&self, value: f64) -> bool {
        place(self.axis.scale, value).is_finite()
    }

    /// How far along the axis a value lies, from 0 to 1.
    pub(super) fn part(&self, value: f64) -> f64 {
        (self.place(value) - self.ends.start) / (self.ends.end - self.ends.start)
    }

    /// The place of a value; the low end if it has none.
    fn place(&self, value: f64) -> f64 {
        let place = place(self.axis.scale, value);
        if place.is_finite() { place } else { self.ends.start }
    }
}

impl Ranged for Ruler {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        first + (self.part(*value) * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.ends.clone()
    }
}

impl ValueFormatter<f64> for Ruler {
    fn format_ext(&self, value: &f64) -> String {
        self.axis.unit.tick(*value)
    }
}

fn place(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Linear => value,
        Scale::Log => value.log10(),
    }
}

/// Ticks, and the ends of an axis.
type Ticks = (Vec<f64>, (f64, f64));

/// Powers of ten, or 1, 2 and 5 times each if those are few.
fn logarithmic(low: f64, high: f64, most: usize) -> Ticks {
    if high / low > 40.0 {
        return powers(low, high, most, 10, &[1, 2, 3]);
    }
    let first = low.log10().floor() as i32;
    let fine = (first..first + 4).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    around(&fine.collect::<Vec<_>>(), low, high)
}

/// Powers of a base around the values, at most `most` of them.
fn powers(low: f64, high: f64, most: usize, base: i32, steps: &[i32]) -> Ticks {
    let log = |value: f64| value.ln() / f64::from(base).ln();
    let first = (log(low) + 1e-9).floor() as i32;
    let last = ((log(high) - 1e-9).ceil() as i32).max(first + 1);
    // Decades count from the first one, doublings from 1: 1, 4, 16 and KiB, MiB.
    let origin = if base == 10 { first } else { 0 };
    let ticks =
        |step: i32| (first..=last).filter(|power| (power - origin).rem_euclid(step) == 0).collect::<Vec<_>>();
    let fitting = steps.iter().map(|step| ticks(*step)).find(|ticks| ticks.len() <= most);
    let ticks = fitting.unwrap_or_else(|| ticks(last - first));
    let value = |power: i32| f64::from(base).powi(power);
    (ticks.into_iter().map(value).collect(), (value(first).min(low), value(last).max(high)))
}

fn linear(low: f64, high: f64, most: usize) -> Ticks {
    let span = (high - low).max(high.abs() * 0.02).max(1e-9);
    let raw = span / most as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= raw).unwrap_or(raw);
    let first = (low / step).floor() - 1.0;
    let ticks: Vec<_> = (0..most + 5).map(|nth| (first + nth as f64) * step).collect();
    around(&ticks, low, high)
}

/// The ticks from the last one at or below `low` to the first at or above `high`.
fn around(ticks: &[f64], low: f64, high: f64) -> Ticks {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    let start = ticks.iter().rposition(|tick| *tick <= low || near(*tick, low)).unwrap_or(0);
    let end = ticks.iter().position(|tick| *tick >= high || near(*tick, high)).unwrap_or(ticks.len() - 1);
    let end = if end > start { end } else { (start + 1).min(ticks.len() - 1) };
    let ticks = ticks[start..=end].to_vec();
    let ends = (ticks[0].min(low), ticks[ticks.len() - 1].max(high));
    (ticks, ends)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(axis: &Axis, values: &[f64]) -> Vec<String> {
        let ruler = Ruler::over(axis, values.iter().copied(), 6);
        ruler.ticks.iter().map(|tick| ruler.format_ext(tick)).collect()
    }

    #[test]
    fn axes_have_the_ticks_that_people_expect() {
        let log = |unit| Axis::log("", unit);
        assert_eq!(labels(&log(AxisUnit::Duration), &[5e3, 140e6]), ["1 µs", "100 µs", "10 ms", "1 s"]);
        assert_eq!(labels(&log(AxisUnit::Count), &[1.0, 32.0]), ["1", "2", "4", "8", "16", "32"]);
        assert_eq!(labels(&log(AxisUnit::Rate), &[1.0, 32.0]), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(
            labels(&log(AxisUnit::Bytes), &[24.0 * 1024.0, 7e6]),
            ["16 KiB", "64 KiB", "256 KiB", "1 MiB", "4 MiB"]
        );
        assert_eq!(
            labels(&Axis::linear("", AxisUnit::Ratio), &[0.98, 1.03]),
            ["0.98×", "0.99×", "1×", "1.01×", "1.02×", "1.03×"]
        );
    }

    proptest! {
        #[test]
        fn every_value_lies_between_the_ends(
            values in prop::collection::vec(1e-3f64..1e15, 1..20),
            is_log in any::<bool>(),
            unit in prop::sample::select(vec![AxisUnit::Duration, AxisUnit::Bytes, AxisUnit::Rate]),
        ) {
            let scale = if is_log { Scale::Log } else { Scale::Linear };
            let ruler = Ruler::over(&Axis { title: String::new(), unit, scale }, values.iter().copied(), 6);
            prop_assert!(ruler.ticks.len() >= 2 && ruler.ticks.len() <= 12, "{:?}", ruler);
            for value in values {
                let place = ruler.place(value);
                prop_assert!(ruler.ends.start <= place && place <= ruler.ends.end, "{value} {ruler:?}");
            }
        }
    }
}
