//! Order statistics.

/// A quantile of samples in ascending order; `None` if there are no samples. The median of an
/// even number is the mean of the two middle ones. Every other quantile is the smallest sample
/// that at least this part of the samples does not exceed (nearest rank).
///
/// # Panics
/// If `quantile` is not in 0 to 1.
pub fn quantile(sorted: &[f64], quantile: f64) -> Option<f64> {
    let Ranks { low, high } = Ranks::of(sorted.len(), quantile)?;
    Some(f64::midpoint(sorted[low], sorted[high]))
}

/// The number of samples that must lie beyond a quantile. The extremes cannot be resampled
/// (Davison & Hinkley, §2.6.1): with fewer samples beyond it, most resamples return the greatest
/// sample, and the quantile is the luck of a few.
pub const BEYOND: f64 = 5.0;

/// Whether this many samples carry a quantile: at least [`BEYOND`] of them lie beyond it. The
/// median needs only one sample.
#[expect(clippy::float_cmp, reason = "one half is exact, and is the only quantile with another rule")]
pub fn carries(count: f64, quantile: f64) -> bool {
    let beyond = count * quantile.min(1.0 - quantile);
    // 0.01 of 500 must not be less than 5 by its last binary digit.
    quantile == 0.5 && count >= 1.0 || beyond >= BEYOND - 1e-9
}

/// The places, counted from 0, of the two order statistics whose mean is a quantile: neighbours
/// for the median of an even number, otherwise the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ranks {
    pub(super) low: usize,
    pub(super) high: usize,
}

impl Ranks {
    #[expect(clippy::float_cmp, reason = "one half is exact, and is the only quantile with two ranks")]
    pub(super) fn of(count: usize, quantile: f64) -> Option<Self> {
        assert!((0.0..=1.0).contains(&quantile), "{quantile} is not a quantile");
        let last = count.checked_sub(1)?;
        if quantile == 0.5 {
            return Some(Self { low: last / 2, high: count / 2 });
        }
        // A part such as 0.9 of 10 must not become rank 10 by its last binary digit.
        let rank = (quantile * count as f64 - 1e-9).ceil().max(1.0) as usize - 1;
        Some(Self { low: rank.min(last), high: rank.min(last) })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "order statistics give the samples back, bit by bit")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        // The example of the nearest-rank method in Wikipedia's "Percentile".
        let samples = [15.0, 20.0, 35.0, 40.0, 50.0];
        let at = |q| quantile(&samples, q).unwrap();
        assert_eq!([at(0.05), at(0.3), at(0.4), at(0.5), at(1.0)], [15.0, 20.0, 20.0, 35.0, 50.0]);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0, 4.0], 0.5), Some(2.5));
    }

    #[test]
    fn quantiles_agree_with_numpy() {
        // numpy.quantile(range(1, 101), q, method="inverted_cdf").
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        let at = [0.1, 0.25, 0.9, 0.95, 0.99, 0.999].map(|q| quantile(&samples, q).unwrap());
        assert_eq!(at, [10.0, 25.0, 90.0, 95.0, 99.0, 100.0]);
    }

    #[test]
    fn five_samples_beyond_it_carry_a_quantile() {
        assert!(carries(500.0, 0.99) && !carries(499.0, 0.99));
        assert!(carries(5_000.0, 0.999) && !carries(4_999.0, 0.999));
        assert!(carries(50.0, 0.1) && !carries(49.0, 0.1) && carries(50.0, 0.9));
        assert!(carries(1.0, 0.5) && !carries(0.0, 0.5) && !carries(1e9, 1.0));
    }

    proptest! {
        #[test]
        fn so_large_a_part_does_not_exceed_a_quantile(
            mut samples in prop::collection::vec(0.0f64..1e12, 1..300), q in 0.51f64..=1.0,
        ) {
            samples.sort_by(f64::total_cmp);
            let at = quantile(&samples, q).unwrap();
            let below = samples.iter().filter(|sample| **sample <= at).count() as f64;
            prop_assert!(below + 1e-6 >= q * samples.len() as f64);
            let under = samples.iter().filter(|sample| **sample < at).count() as f64;
            prop_assert!(under < q * samples.len() as f64);
        }
    }
}
