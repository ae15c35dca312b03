//! Compares two figures: the ratio, its verdict, and the words for it.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::Figure;
use crate::statistics::{Estimate, Ratio, discoveries};
use crate::words::precision::significant;

/// The smallest effect that is named, as a part: samples that are all alike would promise to
/// show anything.
const LEAST_EFFECT: f64 = 0.0001;

/// The verdict of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better: the chance of such a ratio between equals is below the level.
    Better,
    /// Worse: the chance of such a ratio between equals is below the level.
    Worse,
    /// The run shows no difference. This does not prove that there is none; a difference is
    /// unlikely to be much larger than [`Ratio::smallest_effect`].
    NoDifference,
    /// The ratio has no interval, for example because there is a single sample, or one of the
    /// two was measured in one repetition. One repetition does not show how much processes
    /// differ, which is often more than the noise within one.
    Unknown,
}

/// One figure compared with another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The ratio to the other.
    pub ratio: Ratio,
    /// Its verdict.
    pub verdict: Verdict,
    freedom: f64,
    level: f64,
    is_speed: bool,
    is_less_better: bool,
}

impl Comparison {
    /// Compares two figures of one name, as if that were the only comparison. `None` unless both are
    /// positive, and if one of them is only a bound.
    pub fn of(figure: &Figure, other: &Figure) -> Option<Self> {
        if figure.is_bound || other.is_bound {
            return None;
        }
        Self::of_estimates(figure, &figure.estimate, &other.estimate)
    }

    fn of_estimates(figure: &Figure, estimate: &Estimate, other: &Estimate) -> Option<Self> {
        let ratio = Ratio::of(estimate, other)?;
        let is_repeated = estimate.repetitions > 1 && other.repetitions > 1;
        let verdict = match ratio.interval.filter(|_| is_repeated) {
            None => Verdict::Unknown,
            Some(interval) if interval.holds(1.0) => Verdict::NoDifference,
            Some(interval) if (interval.high < 1.0) == figure.is_less_better() => Verdict::Better,
            Some(_) => Verdict::Worse,
        };
        Some(Self {
            ratio,
            verdict,
            freedom: Ratio::freedom(estimate, other),
            level: discoveries::FALSE_DISCOVERIES,
            is_speed: figure.is_speed(),
            is_less_better: figure.is_less_better(),
        })
    }

    /// The same comparison as one of many, whose level is at most the usual one: see
    /// [`discoveries::level`].
    #[must_use]
    pub fn at(self, level: f64) -> Self {
        let is_seen = self.chance().is_some_and(|chance| chance <= level);
        let verdict = if self.is_difference() && !is_seen { Verdict::NoDifference } else { self.verdict };
        Self { verdict, level, ..self }
    }

    /// The chance of a ratio this far from 1 between equals: see [`Ratio::chance`].
    pub fn chance(&self) -> Option<f64> {
        self.ratio.chance(self.freedom)
    }

    /// The chance of a figure this bad if it were only worse by the factor `bound`; `None` if
    /// there is no verdict.
    pub fn chance_of_worse(&self, bound: f64) -> Option<f64> {
        let ratio = if self.is_less_better { self.ratio } else { self.ratio.reciprocal() };
        ratio.chance_beyond(bound, self.freedom).filter(|_| self.verdict != Verdict::Unknown)
    }

    /// The smallest effect that four of five such runs would show, as a part: see
    /// [`Ratio::smallest_effect`].
    pub fn smallest_effect(&self) -> Option<f64> {
        self.ratio.smallest_effect(self.level, self.freedom)
    }

    /// Whether the comparison shows a difference.
    pub fn is_difference(&self) -> bool {
        matches!(self.verdict, Verdict::Better | Verdict::Worse)
    }

    /// The factor that goes with [`words`](Self::words), such as 40 for "40 times slower": the
    /// ratio or its reciprocal, whichever is above 1. The plain ratio if there is no difference.
    pub fn factor(&self) -> Ratio {
        if self.is_difference() && self.ratio.value < 1.0 { self.ratio.reciprocal() } else { self.ratio }
    }

    /// Where no difference was seen, the smallest one that four of five such runs would show, in
    /// percent: see [`Ratio::smallest_effect`].
    pub fn least_visible(&self) -> Option<String> {
        let effect = self.smallest_effect().filter(|_| self.verdict == Verdict::NoDifference)?;
        let percent = significant(100.0 * effect.max(LEAST_EFFECT), 2);
        Some(format!("{percent} %"))
    }

    /// The verdict in at most three words: `faster` and `slower` of durations that pass and rates,
    /// `less` and `more` of everything else.
    pub fn words(&self) -> &'static str {
        match (self.verdict, self.is_speed) {
            (Verdict::Unknown, _) => "no verdict",
            (Verdict::NoDifference, _) => "no difference seen",
            (Verdict::Better, true) => "faster",
            (Verdict::Worse, true) => "slower",
            (verdict, false) if (verdict == Verdict::Better) == self.is_less_better => "less",
            (_, false) => "more",
        }
    }
}

/// Counts comparisons and the differences among them.
///
/// Identical cells are each compared at 95 %, without a correction: one in twenty of those
/// comparisons shows a difference, and more than that would say that the intervals are too narrow.
/// All other verdicts are corrected for their number ([`discoveries`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparisonTally {
    /// Comparisons that could show a difference.
    pub comparisons: usize,
    /// Comparisons that show one.
    pub differences: usize,
}

impl ComparisonTally {
    /// Counts a comparison.
    pub fn add(&mut self, comparison: &Comparison) {
        self.comparisons += usize::from(comparison.verdict != Verdict::Unknown);
        self.differences += usize::from(comparison.is_difference());
    }

    /// The same in words, for comparisons that are corrected for their number.
    pub fn corrected(&self) -> String {
        let Self { comparisons, differences } = self;
        let wrong = of_chance(*differences as f64 * discoveries::FALSE_DISCOVERIES);
        let expected =
            if *differences > 0 { format!(", of which about {wrong} may be false") } else { String::new() };
        format!("{comparisons} comparisons, {differences} of them with a difference{expected}")
    }

    /// The differences that chance alone would show if nothing differed, and each comparison stood
    /// for itself.
    pub fn false_differences(&self) -> f64 {
        self.comparisons as f64 * (1.0 - crate::statistics::CONFIDENCE)
    }
}

impl fmt::Display for ComparisonTally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} comparisons, {} of them with a difference; if nothing differed, chance alone would show about {}",
            self.comparisons,
            self.differences,
            of_chance(self.false_differences())
        )
    }
}

/// An expected number of comparisons, with no digit that means nothing.
pub(crate) fn of_chance(expected: f64) -> String {
    if expected < 1.0 { significant(expected, 1) } else { format!("{expected:.0}") }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::figures::{DENSITY, Settings, Unit};
    use crate::statistics::{Bootstrap, Samples};

    pub(crate) fn figure(name: &str, unit: Unit, around: f64) -> Figure {
        let repetition = || (0..50).map(|x| around * (1.0 + f64::from(x % 5) * 1e-6)).collect();
        let samples = Samples::new([repetition(), repetition()]);
        let estimate = Bootstrap::default().median(&samples).unwrap();
        Figure {
            name: name.into(),
            settings: Settings::default(),
            unit,
            estimate,
            outliers: None,
            is_bound: false,
            samples: samples.into(),
        }
    }

    fn of(name: &str, unit: Unit, values: [f64; 2]) -> (Verdict, &'static str) {
        let [value, other] = values.map(|value| figure(name, unit, value));
        let comparison = Comparison::of(&value, &other).unwrap();
        (comparison.verdict, comparison.words())
    }

    #[test]
    fn every_kind_of_figure_has_its_words() {
        let equal = (Verdict::NoDifference, "no difference seen");
        assert_eq!(of("start_p50", Unit::Nanoseconds, [100.0, 200.0]), (Verdict::Better, "faster"));
        assert_eq!(of("start_p50", Unit::Nanoseconds, [200.0, 100.0]), (Verdict::Worse, "slower"));
        assert_eq!(of("start_p50", Unit::Nanoseconds, [100.0, 100.0]), equal);
        assert_eq!(of("load_rate", Unit::PerSecond, [200.0, 100.0]), (Verdict::Better, "faster"));
        assert_eq!(of("load_rate", Unit::PerSecond, [100.0, 200.0]), (Verdict::Worse, "slower"));
        assert_eq!(of("load_cpu", Unit::Nanoseconds, [100.0, 200.0]), (Verdict::Better, "less"));
        assert_eq!(of("memory_slope", Unit::Bytes, [100.0, 200.0]), (Verdict::Better, "less"));
        assert_eq!(of("memory_slope", Unit::Bytes, [200.0, 100.0]), (Verdict::Worse, "more"));
        assert_eq!(of(DENSITY, Unit::Count, [200.0, 100.0]), (Verdict::Better, "more"));
        assert_eq!(of(DENSITY, Unit::Count, [100.0, 200.0]), (Verdict::Worse, "less"));
    }

    #[test]
    fn chance_is_expected_to_show_one_difference_in_twenty() {
        let expected = |comparisons| ComparisonTally { comparisons, differences: 0 }.to_string();
        for (comparisons, shown) in [(120, "about 6"), (106, "about 5"), (9, "about 0.5"), (1400, "about 70")]
        {
            assert!(expected(comparisons).ends_with(shown), "{}", expected(comparisons));
        }
    }

    #[test]
    fn one_repetition_is_too_few_for_a_verdict() {
        let [mut once, other] = [100.0, 200.0].map(|value| figure("start_p50", Unit::Nanoseconds, value));
        let samples = Samples::new([(0..50).map(|x| 100.0 + f64::from(x % 5)).collect()]);
        once.estimate = Bootstrap::default().median(&samples).unwrap();
        for comparison in [Comparison::of(&once, &other), Comparison::of(&other, &once)] {
            assert_eq!(comparison.unwrap().verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn nothing_is_said_of_single_samples_and_of_what_is_not_positive() {
        let mut single = figure("start_p50", Unit::Nanoseconds, 100.0);
        let many = figure("start_p50", Unit::Nanoseconds, 200.0);
        single.estimate = Bootstrap::default().median(&Samples::new([vec![1.0]])).unwrap();
        let comparison = Comparison::of(&single, &many).unwrap();
        assert_eq!((comparison.verdict, comparison.words()), (Verdict::Unknown, "no verdict"));
        let mut tally = ComparisonTally::default();
        tally.add(&comparison);
        assert_eq!(tally, ComparisonTally::default());
        single.estimate.value = -3.0;
        assert_eq!(Comparison::of(&single, &many), None);
    }
}
