//! Which repetitions of an open loop could not keep up with its rate.

use std::collections::BTreeSet;

use super::latency::sums;
use super::samples::Windows;
use super::{Figure, Settings, Unit};
use crate::statistics::Estimate;

/// A server that answers less than this part of the offered requests cannot keep up. The value
/// is chosen and not derived: above it, the windows end before their last answers.
const KEEPS_UP: f64 = 0.95;
/// The requests that may be on their way at the end of a load, however few were offered.
const ON_THEIR_WAY: f64 = 3.0;

/// The rule, as reports state it.
pub const SATURATED: &str = "A repetition is saturated at a rate if it dropped a request, or if it answered less than \
95 % of the offered requests and more than 3 fewer. Its latencies only grow with the length of a window, so they \
count nowhere";

/// The saturated repetitions at one rate.
#[derive(Clone, Debug, Default)]
pub(super) struct Saturation {
    saturated: BTreeSet<u32>,
    repetitions: usize,
}

impl Saturation {
    /// By the windows of an open loop.
    pub(super) fn of(windows: &Windows<'_>) -> Self {
        let (offered, answered) = (sums(windows, "offered_count"), sums(windows, "responses_count"));
        let dropped = sums(windows, "dropped_count");
        let is_saturated = |repetition: &u32| {
            let of = |sums: &std::collections::BTreeMap<u32, f64>| {
                sums.get(repetition).copied().unwrap_or_default()
            };
            let (offered, answered) = (of(&offered), of(&answered));
            of(&dropped) > 0.0 || answered < KEEPS_UP * offered && offered - answered > ON_THEIR_WAY
        };
        Self { saturated: offered.keys().copied().filter(is_saturated).collect(), repetitions: offered.len() }
    }

    pub(super) fn holds(&self, repetition: u32) -> bool {
        self.saturated.contains(&repetition)
    }

    /// The number of saturated repetitions among all.
    pub(super) fn figure(&self, settings: Settings) -> Figure {
        let count = self.saturated.len() as f64;
        let estimate = Estimate::without_interval(count, self.repetitions, self.repetitions);
        Figure::derived("open_saturated".to_owned(), settings, Unit::Count, estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_that_drops_or_falls_behind_is_saturated() {
        // Offered, answered and dropped in one window of each repetition.
        let repetitions = [
            (100.0, 100.0, 0.0),
            (200.0, 191.0, 0.0),
            (300.0, 299.0, 1.0),
            (400.0, 379.0, 0.0),
            (8.0, 5.0, 0.0),
        ];
        let windows: Windows<'_> = (0..)
            .zip(repetitions)
            .map(|(repetition, (offered, answered, dropped))| {
                let numbers =
                    [("offered_count", offered), ("responses_count", answered), ("dropped_count", dropped)];
                ((repetition, 0), numbers.into_iter().collect())
            })
            .collect();
        let saturation = Saturation::of(&windows);
        let saturated: Vec<bool> = (0..5).map(|repetition| saturation.holds(repetition)).collect();
        assert_eq!(saturated, [false, false, true, true, false], "three of eight may be on their way");
        let figure = saturation.figure(Settings::default());
        assert_eq!((figure.estimate.value.to_string(), figure.estimate.repetitions), ("2".into(), 5));
    }
}
