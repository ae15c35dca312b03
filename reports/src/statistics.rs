//! Order statistics of samples.
//!
//! Nothing here assumes a distribution: latencies have none that is worth a name.

/// A quantity with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median of the samples.
    pub median: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// How many samples there were.
    pub samples: usize,
}

impl Estimate {
    /// The median of `samples` with a 95 % confidence interval; `None` of none.
    ///
    /// The interval is the distribution-free one from the binomial distribution of
    /// ranks (H. A. David, H. N. Nagaraja: Order Statistics, 3rd ed., §7.1): the
    /// narrowest pair of symmetric order statistics that covers at least 95 %. Under
    /// six samples no pair does, and the interval is their whole range.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        let (last, median) = (sorted.len().checked_sub(1)?, median_of_sorted(&sorted));
        let rank = interval_rank(sorted.len());
        Some(Self { median, low: sorted[rank], high: sorted[last - rank], samples: sorted.len() })
    }

    /// The same, of integers.
    pub fn of_integers(samples: &[u64]) -> Option<Self> {
        Self::of(&samples.iter().map(|value| *value as f64).collect::<Vec<_>>())
    }
}

/// The smallest sample that at least `quantile` of the samples do not exceed
/// (nearest rank); `None` of none.
///
/// # Panics
/// If `quantile` is not in 0 to 1.
pub fn quantile(samples: &[f64], quantile: f64) -> Option<f64> {
    assert!((0.0..=1.0).contains(&quantile), "{quantile} is no quantile");
    let sorted = sorted(samples);
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Slope and intercept of the least-squares line through points; `None` unless there
/// are two different abscissas.
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    let count = points.len() as f64;
    let (mean_x, mean_y) =
        points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if square == 0.0 || points.is_empty() {
        return None;
    }
    let product: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = product / square;
    Some(Line { slope, intercept: mean_y - slope * mean_x })
}

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Growth per unit.
    pub slope: f64,
    /// Value at zero.
    pub intercept: f64,
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// How many samples lie outside of the interval on each side.
fn interval_rank(count: usize) -> usize {
    // P(fewer than k+1 of `count` samples lie below the median), summed in logarithms
    // because 2^-count underflows.
    let mut log_term = -(count as f64) * std::f64::consts::LN_2;
    let mut tail = log_term.exp();
    let mut rank = 0;
    while tail <= 0.025 && 2 * (rank + 1) < count {
        rank += 1;
        log_term += ((count - rank + 1) as f64 / rank as f64).ln();
        tail += log_term.exp();
    }
    // The last step went beyond; with a tail that never fitted there was none.
    rank.saturating_sub(1)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "order statistics give the samples back, bit by bit")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn interval_ranks_agree_with_the_published_table() {
        // Ranks counted from 1, for 95 %: W. J. Conover, Practical Nonparametric
        // Statistics, and every table of sign-test critical values: n = 6: (1, 6),
        // 8: (1, 8), 9: (2, 8), 10: (2, 9), 20: (6, 15), 25: (8, 18), 50: (18, 33), 100: (40, 61).
        for (count, low) in [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (25, 8), (50, 18), (100, 40)] {
            assert_eq!(interval_rank(count) + 1, low, "n = {count}");
        }
    }

    #[test]
    fn few_samples_give_their_range() {
        let estimate = Estimate::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((estimate.median, estimate.low, estimate.high), (2.0, 1.0, 3.0));
        assert_eq!(Estimate::of(&[]), None);
        assert_eq!(Estimate::of_integers(&[4, 2]).unwrap().median, 3.0);
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        // The example of the nearest-rank method in NIST's and Wikipedia's text.
        let samples = [15.0, 20.0, 35.0, 40.0, 50.0];
        let at = |q| quantile(&samples, q).unwrap();
        assert_eq!([at(0.05), at(0.3), at(0.4), at(0.5), at(1.0)], [15.0, 20.0, 20.0, 35.0, 50.0]);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_line_is_found_again() {
        let points: Vec<_> = [0.0, 1.0, 16.0].iter().map(|x| (*x, 5.0 + 3.0 * x)).collect();
        let line = line(&points).unwrap();
        assert!((line.slope - 3.0).abs() < 1e-9 && (line.intercept - 5.0).abs() < 1e-9);
        assert_eq!(super::line(&[(1.0, 2.0), (1.0, 3.0)]), None);
        assert_eq!(super::line(&[]), None);
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_median(samples in prop::collection::vec(0.0f64..1e12, 1..3000)) {
            let estimate = Estimate::of(&samples).unwrap();
            prop_assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
            prop_assert_eq!(quantile(&samples, 1.0).unwrap(), samples.iter().copied().fold(0.0, f64::max));
        }
    }
}
