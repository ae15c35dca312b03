//! The bootstrap on two levels: repetitions are drawn with replacement, then samples
//! with replacement within each that was drawn.
//!
//! Only one order statistic of a repetition's resample is needed, so only that is drawn. The
//! k-th smallest of n draws with replacement from n sorted samples is the
//! sample at place ⌊n·U⌋, U being the k-th smallest of n uniform numbers, and that one is
//! distributed as Beta(k, n + 1 − k) (H. A. David, H. N. Nagaraja: Order Statistics,
//! 3rd ed., §2.3). This is exact, and costs the same for ten samples and for ten
//! thousand.
//!
//! The random numbers depend only on the seed and the numbers of samples, so the same rows give
//! the same report, and figures with equal numbers of samples share their draws.

use std::collections::HashMap;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution as _, Normal, StandardNormal};

use super::estimate::Spread;
use super::quantile::{Ranks, carries, quantile};
use super::{Distribution, Estimate, Samples, distribution};

/// Resamples of one figure.
pub const RESAMPLES: usize = 1000;

/// The seed of everything that is drawn.
const SEED: u64 = 0x0069_736F_6C61_6221;

/// Makes estimates, and keeps its draws for the next one of the same shape.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    plans: HashMap<Shape, Arc<[Draw]>>,
    deviates: HashMap<usize, Arc<[Deviate]>>,
}

/// The input that determines the draws.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    counts: Vec<usize>,
    quantile_bits: u64,
}

/// One drawn repetition, and the places of the samples that are its resample's quantile.
#[derive(Clone, Copy, Debug)]
struct Draw {
    repetition: u32,
    low: u32,
    high: u32,
}

impl Bootstrap {
    /// A quantile of samples with its interval: the mean of the repetitions' quantiles; for the
    /// quantile 1 the greatest of all samples. `None` if a repetition has too few samples for it
    /// ([`carries`]).
    pub fn estimate(&mut self, samples: &Samples, at: f64) -> Option<Estimate> {
        let repetitions = samples.repetitions();
        if at >= 1.0 {
            let greatest = samples.iter().max_by(f64::total_cmp)?;
            return Some(Estimate::without_interval(greatest, samples.len(), repetitions.len()));
        }
        let fewest = repetitions.iter().map(Vec::len).min()? as f64;
        if !carries(fewest, at) {
            return None;
        }
        let quantiles: Vec<f64> = repetitions.iter().filter_map(|samples| quantile(samples, at)).collect();
        let plan = self.plan(repetitions, at);
        let draws = plan.iter().map(|draw| {
            let samples = &repetitions[draw.repetition as usize];
            let value = f64::midpoint(samples[draw.low as usize], samples[draw.high as usize]);
            (draw.repetition as usize, value)
        });
        Some(resampled(&quantiles, samples.len(), draws))
    }

    /// A quantile of one distribution for each repetition, with its interval, as
    /// [`estimate`](Self::estimate). `None` also if it has no value in a repetition.
    ///
    /// The order statistics are drawn as those of single samples are. A Beta variable is the
    /// part X / (X + Y) of two Gamma variables, and each of those comes from a normal deviate by
    /// E. B. Wilson and M. M. Hilferty (The Distribution of Chi-Square, PNAS 17, 1931), so that
    /// all figures share their deviates.
    pub fn quantile(&mut self, repetitions: &[Distribution], at: f64) -> Option<Estimate> {
        let fewest = repetitions.iter().map(Distribution::count).min_by(f64::total_cmp)?;
        if !carries(fewest, at) {
            return None;
        }
        let quantiles = repetitions.iter().map(|one| one.quantile(at)).collect::<Option<Vec<_>>>()?;
        let orders: Vec<_> = repetitions.iter().map(|one| GammaOrder::of(one.count(), at)).collect();
        let deviates = self.deviates(repetitions.len());
        let draws = deviates.iter().map(|deviate| {
            let repetition = deviate.repetition as usize;
            (repetition, repetitions[repetition].at(orders[repetition].place(*deviate)))
        });
        let samples = repetitions.iter().map(Distribution::count).sum::<f64>() as usize;
        Some(resampled(&quantiles, samples, draws))
    }

    /// The median of samples with its interval.
    pub fn median(&mut self, samples: &Samples) -> Option<Estimate> {
        self.estimate(samples, 0.5)
    }

    fn deviates(&mut self, repetitions: usize) -> Arc<[Deviate]> {
        let deviates = || {
            let mut random = ChaCha8Rng::seed_from_u64(SEED);
            let deviate = |_| Deviate {
                repetition: random.random_range(0..repetitions) as u32,
                below: StandardNormal.sample(&mut random),
                above: StandardNormal.sample(&mut random),
            };
            (0..RESAMPLES * repetitions).map(deviate).collect()
        };
        Arc::clone(self.deviates.entry(repetitions).or_insert_with(deviates))
    }

    fn plan(&mut self, repetitions: &[Vec<f64>], at: f64) -> Arc<[Draw]> {
        let counts: Vec<usize> = repetitions.iter().map(Vec::len).collect();
        let shape = Shape { counts, quantile_bits: at.to_bits() };
        let draws = || {
            let mut random = ChaCha8Rng::seed_from_u64(SEED);
            let repetitions: Vec<_> =
                repetitions.iter().map(|samples| Orders::of(samples.len(), at)).collect();
            (0..RESAMPLES * repetitions.len())
                .map(|_| {
                    let repetition = random.random_range(0..repetitions.len());
                    let (low, high) = repetitions[repetition].draw(&mut random);
                    Draw { repetition: repetition as u32, low, high }
                })
                .collect()
        };
        Arc::clone(self.plans.entry(shape.clone()).or_insert_with(draws))
    }
}

/// The mean of the repetitions' quantiles, and its scatter over resamples. `draws` are the
/// repetitions of every resample, one after the other, each with the quantile of its own.
fn resampled(quantiles: &[f64], samples: usize, draws: impl Iterator<Item = (usize, f64)>) -> Estimate {
    let count = quantiles.len() as f64;
    let value = quantiles.iter().sum::<f64>() / count;
    let mut within = vec![Moments::default(); quantiles.len()];
    let mut replicates = Vec::with_capacity(RESAMPLES);
    let (mut sum, mut summed) = (0.0, 0);
    for (repetition, value) in draws {
        within[repetition].add(value);
        sum += value;
        summed += 1;
        if summed == quantiles.len() {
            replicates.push(sum / count);
            (sum, summed) = (0.0, 0);
        }
    }
    let between = quantiles.iter().map(|quantile| (quantile - value).powi(2)).sum::<f64>() / count;
    let within = within.iter().map(Moments::variance).sum::<f64>() / count;
    let square = value * value;
    let relative = |variance: f64| if square > 0.0 { variance / count / square } else { 0.0 };
    let spread = Spread {
        replicates,
        between: relative(between),
        within: relative(within),
        repetitions: count,
        freedom: samples as f64 - count,
    };
    Estimate::new(value, samples, spread)
}

/// Normal deviates of a quantity of which only the standard error is known.
pub(super) fn normal_replicates(value: f64, standard_error: f64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    match Normal::new(value, standard_error) {
        Ok(normal) => (0..RESAMPLES).map(|_| normal.sample(&mut random)).collect(),
        Err(_) => vec![value; RESAMPLES],
    }
}

/// The place of a resample's quantile among the samples.
#[derive(Debug)]
struct Orders {
    count: usize,
    first: Option<Beta<f64>>,
    /// The exponent that gives the next order statistic, if the median lies between two.
    next: Option<f64>,
}

impl Orders {
    fn of(count: usize, at: f64) -> Self {
        let ranks = Ranks::of(count, at).unwrap_or(Ranks { low: 0, high: 0 });
        let rank = ranks.low as f64 + 1.0;
        let above = count as f64 - rank;
        Self {
            count,
            first: Beta::new(rank, above + 1.0).ok(),
            // Above the k-th smallest the other n − k are uniform, and the least of
            // them is one minus the greatest of as many uniform numbers.
            next: (ranks.low != ranks.high).then(|| 1.0 / above),
        }
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> (u32, u32) {
        let first: f64 = self.first.as_ref().map_or(0.5, |beta| beta.sample(random));
        let place = |uniform: f64| ((uniform * self.count as f64) as usize).min(self.count - 1) as u32;
        let next = self.next.map_or(first, |exponent| {
            let rest: f64 = random.random();
            first + (1.0 - first) * (1.0 - rest.powf(exponent))
        });
        (place(first), place(next))
    }
}

/// One drawn repetition of a resample of distributions, and the normal deviates behind its order
/// statistic.
#[derive(Clone, Copy, Debug)]
struct Deviate {
    repetition: u32,
    below: f64,
    above: f64,
}

/// The place of a resample's quantile among the samples of a distribution.
#[derive(Clone, Copy, Debug)]
struct GammaOrder {
    count: f64,
    /// The parameters of the Beta distribution.
    below: f64,
    above: f64,
}

impl GammaOrder {
    #[expect(clippy::float_cmp, reason = "one half is exact; the median lies between two order statistics")]
    fn of(count: f64, at: f64) -> Self {
        let rank = if at == 0.5 { f64::midpoint(count, 1.0) } else { distribution::rank(count, at) };
        Self { count, below: rank, above: count + 1.0 - rank }
    }

    fn place(self, deviate: Deviate) -> f64 {
        let (below, above) = (gamma(self.below, deviate.below), gamma(self.above, deviate.above));
        self.count * below / (below + above)
    }
}

/// A Gamma variable of this shape from a normal deviate (Wilson and Hilferty 1931).
fn gamma(shape: f64, deviate: f64) -> f64 {
    let root = 1.0 - 1.0 / (9.0 * shape) + deviate / (3.0 * shape.sqrt());
    shape * root.max(1e-3).powi(3)
}

/// Mean and variance of a stream: D. E. Knuth, The Art of Computer Programming, vol. 2,
/// 3rd ed., §4.2.2 (after B. P. Welford).
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        if self.count > 1.0 { self.squares / (self.count - 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::estimate::Width;
    use super::*;

    /// The percentile interval as it is.
    const PLAIN: Width = Width { stretch: 1.0, least: 0.0, freedom: f64::INFINITY };

    fn drawn(samples: &Samples, at: f64) -> Vec<f64> {
        let estimate = Bootstrap::default().estimate(samples, at).unwrap();
        estimate.spread.unwrap().replicates.clone()
    }

    fn deviation(values: &[f64]) -> f64 {
        let mut moments = Moments::default();
        for value in values {
            moments.add(*value);
        }
        moments.variance().sqrt()
    }

    #[test]
    fn order_statistics_are_drawn_as_a_whole_resample_would_give_them() {
        // Nine samples: the exact distribution of the bootstrapped median, by the sum of
        // binomial probabilities (computed in Python), has the deviation 1.3871. Ten:
        // 2 million whole resamples with numpy have 1.3919 about 5.5, and 3 to 8.
        let nine = drawn(&Samples::new([(1..=9).map(f64::from).collect()]), 0.5);
        assert!((deviation(&nine) - 1.387).abs() < 0.1, "{}", deviation(&nine));
        let ten = Samples::new([(1..=10).map(f64::from).collect()]);
        let replicates = drawn(&ten, 0.5);
        assert!((deviation(&replicates) - 1.392).abs() < 0.1, "{}", deviation(&replicates));
        let mean = replicates.iter().sum::<f64>() / replicates.len() as f64;
        assert!((mean - 5.5).abs() < 0.15, "{mean}");
        let middle = super::super::Interval::of(5.5, &replicates, PLAIN).unwrap();
        assert_eq!((middle.low, middle.high), (3.0, 8.0));
    }

    #[test]
    fn an_interval_agrees_with_that_of_scipy() {
        // scipy.stats.bootstrap(arange(1, 26)**1.5, median, method="percentile",
        // n_resamples=200000): 22.63 to 76.37, standard error 13.09.
        let samples = Samples::new([(1..=25).map(|x| f64::from(x).powf(1.5)).collect()]);
        let replicates = drawn(&samples, 0.5);
        assert!((deviation(&replicates) / 13.09 - 1.0).abs() < 0.05);
        let interval = super::super::Interval::of(13f64.powf(1.5), &replicates, PLAIN).unwrap();
        let neighbours =
            |value: f64, around: f64| (value.powf(2.0 / 3.0) - around.powf(2.0 / 3.0)).abs() <= 1.01;
        assert!(neighbours(interval.low, 22.63) && neighbours(interval.high, 76.37), "{interval:?}");
    }

    #[test]
    fn the_same_samples_give_the_same_interval() {
        let samples = Samples::new([vec![3.0, 1.0, 2.0, 8.0], vec![2.0, 2.5, 4.0]]);
        let mut used = Bootstrap::default();
        used.median(&Samples::new([vec![1.0, 9.0]])).unwrap();
        let again = used.median(&samples).unwrap();
        assert_eq!(Bootstrap::default().median(&samples).unwrap().interval, again.interval);
    }

    #[test]
    fn there_is_no_interval_without_enough_samples() {
        let mut bootstrap = Bootstrap::default();
        assert!(bootstrap.median(&Samples::new([vec![7.0]])).unwrap().interval.is_none());
        assert!(bootstrap.median(&Samples::default()).is_none());
        let hundred = Samples::new([(1..=100).map(f64::from).collect(), vec![500.0; 100]]);
        let greatest = bootstrap.estimate(&hundred, 1.0).unwrap();
        assert_eq!((greatest.value, greatest.interval), (500.0, None));
        assert!(bootstrap.estimate(&hundred, 0.99).is_none(), "one sample lies beyond it");
        assert!(bootstrap.estimate(&hundred, 0.9).unwrap().interval.is_some());
    }

    #[test]
    fn order_statistics_of_a_distribution_are_drawn_as_scipy_says() {
        // scipy.stats.beta.ppf([0.025, 0.5, 0.975], k, n + 1 - k), and the deviation of that Beta.
        for (count, at, expected, deviation_of) in [
            (500.0, 0.99, [0.976_818_6, 0.988_667_3, 0.995_583_8], 0.004_855_0),
            (100_000.0, 0.999, [0.998_783_9, 0.998_993_3, 0.999_177_3], 0.000_100_4),
            (200.0, 0.5, [0.431_121_7, 0.5, 0.568_878_3], 0.035_179_9),
        ] {
            let order = GammaOrder::of(count, at);
            let deviates = Bootstrap::default().deviates(20);
            let mut drawn: Vec<f64> = deviates.iter().map(|deviate| order.place(*deviate) / count).collect();
            drawn.sort_by(f64::total_cmp);
            let spread = deviation(&drawn);
            assert!((spread / deviation_of - 1.0).abs() < 0.03, "{spread} of {count} at {at}");
            for (part, expected) in [0.025, 0.5, 0.975].into_iter().zip(expected) {
                let found = quantile(&drawn, part).unwrap();
                assert!((found - expected).abs() < 0.1 * deviation_of, "{found} for {expected}");
            }
        }
    }

    #[test]
    fn a_distribution_and_its_samples_have_the_same_interval() {
        let repetition = |shift: u64| (0..2_000).map(move |place| 1_000 + shift + place * 37 % 2_000);
        let samples = Samples::new([0, 40].map(|shift| repetition(shift).map(|x| x as f64).collect()));
        let of = |shift| Distribution::of(repetition(shift).map(|value| (value, 1, 1)), 0);
        let mut bootstrap = Bootstrap::default();
        for at in [0.1, 0.5, 0.9, 0.99] {
            let single = bootstrap.estimate(&samples, at).unwrap();
            let merged = bootstrap.quantile(&[of(0), of(40)], at).unwrap();
            assert!((single.value - merged.value).abs() <= 0.5, "{} {}", single.value, merged.value);
            let width = |estimate: &Estimate| estimate.interval.map(|one| one.high / one.low).unwrap();
            assert!((width(&single) / width(&merged) - 1.0).abs() < 0.05, "{single:?} {merged:?}");
        }
        assert!(bootstrap.quantile(&[of(0), of(40)], 0.999).is_none(), "two samples lie beyond it");
        assert!(bootstrap.quantile(&[], 0.5).is_none());
    }

    #[test]
    fn repetitions_that_differ_widen_what_their_samples_would_not() {
        let samples = |shift: f64| (0..200).map(|x| 1000.0 + shift + f64::from(x % 20)).collect::<Vec<_>>();
        let width = |shift: f64| {
            let samples = Samples::new([samples(0.0), samples(shift), samples(-shift)]);
            let interval = Bootstrap::default().median(&samples).unwrap().interval.unwrap();
            interval.high - interval.low
        };
        assert!(width(100.0) > 20.0 * width(0.0), "{} {}", width(100.0), width(0.0));
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_estimate_and_scales(
            repetitions in prop::collection::vec(prop::collection::vec(1.0f64..1e9, 1..40), 1..5),
            factor in 0.01f64..100.0,
        ) {
            let samples = Samples::new(repetitions.clone());
            let estimate = Bootstrap::default().median(&samples).unwrap();
            let scaled = Samples::new(repetitions.into_iter().map(|one| one.into_iter().map(|x| x * factor).collect()));
            let scaled = Bootstrap::default().median(&scaled).unwrap();
            prop_assert!((scaled.value / estimate.value / factor - 1.0).abs() < 1e-9);
            match (estimate.interval, scaled.interval) {
                (Some(interval), Some(scaled)) => {
                    prop_assert!(interval.holds(estimate.value));
                    prop_assert!((scaled.low / interval.low / factor - 1.0).abs() < 1e-6);
                    prop_assert!((scaled.high / interval.high / factor - 1.0).abs() < 1e-6);
                }
                (none, neither) => prop_assert!(none.is_none() && neither.is_none()),
            }
        }
    }
}
