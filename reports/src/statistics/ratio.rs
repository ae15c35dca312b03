//! The ratio of two quantities.

use super::RESAMPLES;
use super::estimate::{Estimate, Interval, Spread};

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

    /// The smallest effect that the run would probably have shown: half the width of the
    /// interval on the scale of logarithms, as a part of the denominator.
    ///
    /// ```text
    /// √(high / low) − 1
    /// ```
    ///
    /// About half of all such runs would find an effect of this size, because it puts the end
    /// of the interval on 1. Four of five would find one 1.4 times as large (in logarithms):
    /// (1.96 + 0.84) / 1.96.
    ///
    /// `None` without an interval, or if the effect leaves the range of floating-point numbers.
    pub fn smallest_effect(&self) -> Option<f64> {
        let Interval { low, high } = self.interval?;
        Some((high / low).sqrt() - 1.0).filter(|effect| effect.is_finite())
    }
}

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
        let effect = ratio.smallest_effect().unwrap();
        assert!((effect - ((1.7953f64 / 1.0567).sqrt() - 1.0)).abs() < 0.04, "{effect}");
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        let (zero, one) = (median(vec![vec![0.0, 0.0]]), median(vec![vec![1.0, 2.0]]));
        assert_eq!(Ratio::of(&one, &zero), None);
        assert_eq!(Ratio::of(&zero, &one), None);
        let single = Estimate::without_interval(2.0, 1, 1);
        let ratio = Ratio::of(&single, &one).unwrap();
        assert_eq!((ratio.interval, ratio.smallest_effect()), (None, None));
    }

    #[test]
    fn a_ratio_is_turned_with_its_interval() {
        let of = |value, low, high| Ratio { value, interval: Some(Interval { low, high }) };
        assert_eq!(of(0.625, 0.5, 0.8).reciprocal(), of(1.6, 1.25, 2.0));
    }

    #[test]
    fn an_interval_too_wide_for_a_number_has_no_smallest_effect() {
        let of = |low, high| Ratio { value: 1.0, interval: Some(Interval { low, high }) }.smallest_effect();
        assert_eq!(of(1e-160, 1e160), None);
        assert_eq!(of(0.25, 4.0), Some(3.0));
    }

    proptest! {
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
