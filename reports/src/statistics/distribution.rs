//! A distribution that is known by buckets, such as a histogram of latencies.

use std::collections::BTreeMap;

/// The samples of one repetition, counted in buckets.
///
/// A sample of a bucket is taken to lie where it would if the bucket's samples were evenly
/// spread over it. So an order statistic of many samples is finer than its bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// In ascending order.
    buckets: Vec<Bucket>,
    recorded: f64,
    total: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    low: f64,
    width: f64,
    /// The samples in the buckets before this one.
    before: f64,
    count: f64,
}

impl Distribution {
    /// Merges buckets, each by its least value, its width and its count. `beyond` more samples
    /// have no value and count as greater than all others, such as requests without an answer.
    pub fn of(buckets: impl IntoIterator<Item = (u64, u64, u64)>, beyond: u64) -> Self {
        let mut merged: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (low, width, count) in buckets.into_iter().filter(|(.., count)| *count > 0) {
            merged.entry(low).or_insert((width, 0)).1 += count;
        }
        let mut recorded = 0.0;
        let buckets = merged.into_iter().map(|(low, (width, count))| {
            let (low, width, count, before) = (low as f64, width as f64, count as f64, recorded);
            recorded += count;
            Bucket { low, width, before, count }
        });
        let buckets = buckets.collect();
        Self { buckets, recorded, total: recorded + beyond as f64 }
    }

    /// The number of samples, those without a value included.
    pub fn count(&self) -> f64 {
        self.total
    }

    /// A quantile by nearest rank; `None` if there are no samples, or it is one of those without
    /// a value.
    pub fn quantile(&self, at: f64) -> Option<f64> {
        let place = (rank(self.total, at) - 0.5).max(0.0);
        (place < self.recorded).then(|| self.at(place))
    }

    /// The greatest value that a sample can have; `None` if there are none, or some have no value.
    pub fn greatest(&self) -> Option<f64> {
        let last = self.buckets.last().filter(|_| self.recorded >= self.total)?;
        Some(last.low + last.width - 1.0)
    }

    /// The value at a place from 0 to the number of samples. A place among the samples without a
    /// value has the greatest one.
    pub(super) fn at(&self, place: f64) -> f64 {
        let after = self.buckets.partition_point(|bucket| bucket.before <= place).max(1);
        let Bucket { low, width, before, count } = self.buckets[after - 1];
        // A bucket for a single value has a width of one and no room to spread.
        low + (width - 1.0) * ((place - before) / count).clamp(0.0, 1.0)
    }
}

/// The rank of a quantile among samples, counted from 1.
pub(super) fn rank(count: f64, at: f64) -> f64 {
    // A part such as 0.9 of 10 must not become rank 10 by its last binary digit.
    (at * count - 1e-9).ceil().clamp(1.0, count.max(1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::quantile;
    use super::*;

    fn single(values: &[u64]) -> Distribution {
        Distribution::of(values.iter().map(|value| (*value, 1, 1)), 0)
    }

    #[test]
    fn samples_spread_over_their_bucket() {
        let distribution = Distribution::of([(100, 11, 10), (200, 1, 10)], 0);
        assert_eq!(distribution.quantile(0.5), Some(109.5), "the tenth of ten in 100 to 110");
        assert_eq!(distribution.quantile(0.51), Some(200.0));
        assert_eq!((distribution.count(), distribution.greatest()), (20.0, Some(200.0)));
    }

    #[test]
    fn samples_without_a_value_are_greater_than_all_others() {
        let distribution = Distribution::of([(100, 1, 90)], 10);
        assert_eq!((distribution.quantile(0.9), distribution.quantile(0.91)), (Some(100.0), None));
        assert_eq!((distribution.greatest(), distribution.at(99.0)), (None, 100.0));
        assert_eq!(Distribution::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn merged_windows_have_the_quantiles_of_all_their_samples(
            windows in prop::collection::vec(prop::collection::vec(0u64..1000, 1..50), 1..5), at in 0.51f64..1.0,
        ) {
            let mut sorted: Vec<f64> = windows.iter().flatten().map(|value| *value as f64).collect();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(single(&windows.concat()).quantile(at), quantile(&sorted, at));
        }

        #[test]
        fn a_greater_quantile_is_not_less(
            buckets in prop::collection::vec((0u64..50, 1u64..9), 1..20), at in 0.0f64..1.0, more in 0.0f64..1.0,
        ) {
            let distribution = Distribution::of(buckets.into_iter().map(|(low, count)| (low * 8, 8, count)), 0);
            let (less, more) = (distribution.quantile(at).unwrap(), distribution.quantile(at.max(more)).unwrap());
            prop_assert!(less <= more && more <= distribution.greatest().unwrap());
        }
    }
}
