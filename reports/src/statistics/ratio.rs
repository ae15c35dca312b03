//! The ratio of two quantities.

use super::estimate::{Estimate, Interval, Spread, above, student};
use super::{CONFIDENCE, RESAMPLES};

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Numerator over denominator.
    pub value: f64,
    /// The 95 % confidence interval; `None` if one of the two has none.
    pub interval: Option<Interval>,
}

impl Ratio {
    /// The ratio of two independently measured quantities; each is resampled by itself. `None`
    /// unless both are positive.
    pub fn of(numerator: &Estimate, denominator: &Estimate) -> Option<Self> {
        if numerator.value <= 0.0 || denominator.value <= 0.0 {
            return None;
        }
        let value = numerator.value / denominator.value;
        let interval =
            numerator.spread.as_deref().zip(denominator.spread.as_deref()).and_then(|(above, below)| {
                let replicates: Vec<f64> =
                    (0..RESAMPLES).map(|index| above.at(index, 0) / below.at(index, 1)).collect();
                let is_sound = replicates.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0);
                is_sound.then(|| Interval::of(value, &replicates, Spread::width(&[above, below]))).flatten()
            });
        Some(Self { value, interval })
    }

    /// The ratio of the denominator to the numerator.
    #[must_use]
    pub fn reciprocal(self) -> Self {
        let turned = |Interval { low, high }| Interval { low: high.recip(), high: low.recip() };
        Self { value: self.value.recip(), interval: self.interval.map(turned) }
    }

    /// The degrees of freedom of the ratio of two quantities, by Welch and Satterthwaite.
    pub fn freedom(numerator: &Estimate, denominator: &Estimate) -> f64 {
        let spreads = numerator.spread.as_deref().zip(denominator.spread.as_deref());
        spreads.map_or(1.0, |(above, below)| Spread::width(&[above, below]).freedom)
    }

    /// The chance of a ratio this far from 1, on either side, if the true one were 1. `None`
    /// without an interval.
    ///
    /// The interval is Student's on the scale of logarithms, so half of its width is t standard
    /// errors, and the distance from 1 in standard errors is
    ///
    /// ```text
    /// ln(value) / ln(value / end) · t(ν)
    /// ```
    ///
    /// with the end that faces 1. The chance is below 5 % exactly if the interval does not hold 1.
    pub fn chance(&self, freedom: f64) -> Option<f64> {
        let side = if self.value < 1.0 { self.reciprocal() } else { *self };
        Some((2.0 * side.chance_beyond(1.0, freedom)?).min(1.0))
    }

    /// The chance of a ratio this great or greater if the true one were `bound`. `None` without an
    /// interval.
    pub fn chance_beyond(&self, bound: f64, freedom: f64) -> Option<f64> {
        let Interval { low, high } = self.interval?;
        let distance = (self.value / bound).ln();
        let half = if distance > 0.0 { (self.value / low).ln() } else { (high / self.value).ln() };
        if half <= 0.0 {
            return Some(if distance > 0.0 { 0.0 } else { 1.0 });
        }
        Some(above(freedom, distance / half * student(freedom, CONFIDENCE)))
    }

    /// The smallest effect that four of five such runs would show with this level of the chance,
    /// as a part of the denominator. `None` without an interval, or if the effect is a million times
    /// or more: the run then knows nothing.
    ///
    /// With half of the interval's width h on the scale of logarithms, which is t(97.5 %) standard
    /// errors:
    ///
    /// ```text
    /// exp( h · (t(1 − level / 2) + t(80 %)) / t(97.5 %) ) − 1
    /// ```
    ///
    /// For many samples and a level of 5 % the factor is (1.96 + 0.84) / 1.96 = 1.43 (J. M. Lachin,
    /// Introduction to Sample Size Determination and Power Analysis for Clinical Trials,
    /// Controlled Clinical Trials 2, 1981).
    pub fn smallest_effect(&self, level: f64, freedom: f64) -> Option<f64> {
        let Interval { low, high } = self.interval?;
        let errors = student(freedom, 1.0 - level) + student(freedom, 2.0 * POWER - 1.0);
        let half = (high / low).ln() / 2.0;
        let effect = (half * errors / student(freedom, CONFIDENCE)).exp() - 1.0;
        Some(effect).filter(|effect| *effect < GREATEST_EFFECT)
    }
}

/// An effect this great is not a statement.
const GREATEST_EFFECT: f64 = 1e6;

/// The part of all runs that shows the smallest effect.
pub(super) const POWER: f64 = 0.8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::{Bootstrap, Samples};

    fn median(repetitions: Vec<Vec<f64>>) -> Estimate {
        Bootstrap::default().median(&Samples::new(repetitions)).unwrap()
    }

    #[test]
    fn a_ratio_of_medians_agrees_with_that_of_scipy() {
        // scipy.stats.bootstrap((x, y), median(x) / median(y), method="percentile",
        // n_resamples=100000): 1.36467, 1.0567 to 1.7953. Student's factor adds 1 %.
        let x = (0..60).map(|i| 100.0 + f64::from(i * 37 % 101).powf(1.3)).collect();
        let y = (0..60).map(|i| 90.0 + f64::from(i * 53 % 97).powf(1.2)).collect();
        let ratio = Ratio::of(&median(vec![x]), &median(vec![y])).unwrap();
        let interval = ratio.interval.unwrap();
        assert!((ratio.value - 1.364_671_14).abs() < 1e-6, "{ratio:?}");
        assert!((interval.low / 1.0567 - 1.0).abs() < 0.04, "{ratio:?}");
        assert!((interval.high / 1.7953 - 1.0).abs() < 0.04, "{ratio:?}");
        // The normal quantiles of 97.5 % and 80 %.
        let effect = ratio.smallest_effect(0.05, 1e9).unwrap();
        let expected = (1.7953f64 / 1.0567).powf((1.959_964 + 0.841_621) / 1.959_964 / 2.0) - 1.0;
        assert!((effect - expected).abs() < 0.05, "{effect} {expected}");
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        let (zero, one) = (median(vec![vec![0.0, 0.0]]), median(vec![vec![1.0, 2.0]]));
        assert_eq!(Ratio::of(&one, &zero), None);
        assert_eq!(Ratio::of(&zero, &one), None);
        let single = Estimate::without_interval(2.0, 1, 1);
        let ratio = Ratio::of(&single, &one).unwrap();
        assert_eq!((ratio.interval, ratio.smallest_effect(0.05, 4.0)), (None, None));
    }

    #[test]
    fn a_ratio_is_turned_with_its_interval() {
        let of = |value, low, high| Ratio { value, interval: Some(Interval { low, high }) };
        assert_eq!(of(0.625, 0.5, 0.8).reciprocal(), of(1.6, 1.25, 2.0));
    }

    #[test]
    fn an_interval_too_wide_for_a_number_has_no_smallest_effect() {
        let of = |low, high| {
            Ratio { value: 1.0, interval: Some(Interval { low, high }) }.smallest_effect(0.05, 4.0)
        };
        assert_eq!(of(1e-160, 1e160), None);
        // exp(log(16) / 2 * (t.ppf(0.975, 4) + t.ppf(0.8, 4)) / t.ppf(0.975, 4)) - 1 with scipy.
        assert!((of(0.25, 4.0).unwrap() - 5.398_9).abs() < 1e-3);
    }

    #[test]
    fn chances_are_those_of_students_distribution() {
        // Half of the interval is t(97.5 %) = 2.776445 standard errors of 0.05 at 4 degrees of
        // freedom. 2 * scipy.stats.t.sf(ln(1.2) / 0.05, 4) is the chance.
        let half = (2.776_445_f64 * 0.05).exp();
        let ratio = Ratio { value: 1.2, interval: Some(Interval { low: 1.2 / half, high: 1.2 * half }) };
        let chance = ratio.chance(4.0).unwrap();
        assert!((chance - 0.021_840).abs() < 1e-5, "{chance}");
        assert!((ratio.reciprocal().chance(4.0).unwrap() - 0.021_840).abs() < 1e-5);
        // scipy.stats.t.sf(ln(1.2 / 1.05) / 0.05, 4), and of ln(1.2 / 1.3) / 0.05.
        assert!((ratio.chance_beyond(1.05, 4.0).unwrap() - 0.027_885).abs() < 1e-5);
        assert!((ratio.chance_beyond(1.3, 4.0).unwrap() - 0.907_668).abs() < 1e-5);
        // exp(0.05 * (t.ppf(0.975, 4) + t.ppf(0.8, 4))) - 1.
        assert!((ratio.smallest_effect(0.05, 4.0).unwrap() - 0.204_266).abs() < 1e-5);
        let exact = Ratio { value: 1.2, interval: Some(Interval { low: 1.2, high: 1.2 }) };
        assert_eq!((exact.chance(4.0), exact.chance_beyond(1.3, 4.0)), (Some(0.0), Some(1.0)));
    }

    proptest! {
        #[test]
        fn a_chance_is_below_five_percent_if_the_interval_does_not_hold_one(
            value in 0.2f64..5.0, below in 1.0001f64..4.0, above in 1.0001f64..4.0, freedom in 1.0f64..100.0,
        ) {
            let ratio = Ratio { value, interval: Some(Interval { low: value / below, high: value * above }) };
            let is_different = !ratio.interval.unwrap().holds(1.0);
            prop_assert_eq!(ratio.chance(freedom).unwrap() < 0.05, is_different);
        }

        #[test]
        fn a_quantity_does_not_differ_from_itself(
            repetitions in prop::collection::vec(prop::collection::vec(1.0f64..1e9, 2..40), 1..5),
        ) {
            let (one, other) = (median(repetitions.clone()), median(repetitions));
            let ratio = Ratio::of(&one, &other).unwrap();
            prop_assert!((ratio.value - 1.0).abs() < 1e-12);
            prop_assert!(ratio.interval.unwrap().holds(1.0));
        }
    }
}
