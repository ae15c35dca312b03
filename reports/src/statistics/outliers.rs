//! Samples far from the others: counted, never dropped.

use super::Samples;
use super::quantile::quantile;

/// How many interquartile ranges beyond the quartiles a sample is far out: J. W. Tukey,
/// Exploratory Data Analysis, 1977, §2D (the outer fences).
const FAR: f64 = 3.0;

/// The number of samples that are far out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outliers {
    /// Far below the lower quartile.
    pub low: usize,
    /// Far above the upper quartile.
    pub high: usize,
    /// The number of all samples.
    pub samples: usize,
}

impl Outliers {
    /// Counts samples beyond the fences of their own repetition, on the scale of logarithms if
    /// all are positive, because durations are skewed. If half of a repetition's samples are
    /// equal, its interquartile range is zero and no sample counts as far out.
    pub fn of(samples: &Samples) -> Self {
        let mut outliers = Self { samples: samples.len(), ..Self::default() };
        for repetition in samples.repetitions() {
            let is_positive = repetition[0] > 0.0;
            let scale = |value: f64| if is_positive { value.ln() } else { value };
            let quartile = |q| quantile(repetition, q).map_or(0.0, scale);
            let (first, third) = (quartile(0.25), quartile(0.75));
            let fence = FAR * (third - first);
            if fence > 0.0 {
                outliers.low += repetition.iter().filter(|value| scale(**value) < first - fence).count();
                outliers.high += repetition.iter().filter(|value| scale(**value) > third + fence).count();
            }
        }
        outliers
    }

    /// The number of outliers on both sides.
    pub fn count(&self) -> usize {
        self.low + self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_samples_are_counted_against_their_own_repetition() {
        let calm: Vec<f64> = (100..120).map(f64::from).collect();
        let mut rough = calm.clone();
        rough.extend([1.0, 900.0, 901.0]);
        let slower: Vec<f64> = calm.iter().map(|value| value * 50.0).collect();
        let outliers = Outliers::of(&Samples::new([rough, slower]));
        assert_eq!(outliers, Outliers { low: 1, high: 2, samples: 43 });
        assert_eq!(Outliers::of(&Samples::new([vec![5.0, 5.0, 5.0, 5.0, 9.0]])).count(), 0);
        assert_eq!(Outliers::of(&Samples::new([(0..20).map(f64::from).collect()])).count(), 0);
    }
}
