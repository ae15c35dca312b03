//! When requests are due.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

const NS_PER_S: u64 = 1_000_000_000;

/// The intervals between the requests of an open loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Equal intervals.
    Constant,
    /// Random, independent, exponentially distributed intervals, as from users who do not know of
    /// each other.
    Poisson {
        /// The same seed gives the same intervals.
        seed: u64,
    },
}

/// The distribution of requests over time, as a user chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// At equal intervals
    Constant,
    /// At random intervals, as from users who do not know of each other
    Poisson,
}

impl Spread {
    /// The arrivals; a seed decides random ones.
    pub fn arrivals(self, seed: u64) -> Arrivals {
        match self {
            Self::Constant => Arrivals::Constant,
            Self::Poisson => Arrivals::Poisson { seed },
        }
    }

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        }
    }
}

/// An endless iterator over the instants at which requests are due, since the load's
/// beginning. No instant depends on how late an earlier request was.
#[derive(Clone, Debug)]
pub struct Schedule {
    per_s: NonZeroU64,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    Index(u64),
    // Boxed, because the generator's state is much larger than the other variant.
    Random { generator: Box<StdRng>, at_ns: f64 },
}

impl Schedule {
    /// A schedule of this rate.
    pub fn new(per_s: NonZeroU64, arrivals: Arrivals) -> Self {
        let next = match arrivals {
            Arrivals::Constant => Next::Index(0),
            Arrivals::Poisson { seed } => {
                Next::Random { generator: Box::new(StdRng::seed_from_u64(seed)), at_ns: 0.0 }
            }
        };
        Self { per_s, next }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    /// Constant: request *k* at *k* / rate, from *k* alone, so that rounding does not
    /// accumulate. Poisson: the inverse of the exponential distribution, -ln(1 - u) / rate, with
    /// *u* uniform in [0, 1).
    fn next(&mut self) -> Option<Duration> {
        let per_s = self.per_s.get();
        let since_begin_ns = match &mut self.next {
            Next::Index(index) => {
                let ns = u128::from(*index) * u128::from(NS_PER_S) / u128::from(per_s);
                *index += 1;
                u64::try_from(ns).ok()?
            }
            Next::Random { generator, at_ns } => {
                let uniform: f64 = generator.random();
                *at_ns -= (-uniform).ln_1p() * NS_PER_S as f64 / per_s as f64;
                *at_ns as u64
            }
        };
        Some(Duration::from_nanos(since_begin_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(per_s: u64, arrivals: Arrivals) -> Schedule {
        Schedule::new(NonZeroU64::new(per_s).unwrap(), arrivals)
    }

    #[test]
    fn constant_intervals_do_not_drift() {
        // A third of a second is not a whole number of nanoseconds.
        let offsets: Vec<_> = schedule(3, Arrivals::Constant).take(4).map(|at| at.as_nanos()).collect();
        assert_eq!(offsets, [0, 333_333_333, 666_666_666, 1_000_000_000]);
        let after_an_hour = schedule(7, Arrivals::Constant).nth(7 * 3600);
        assert_eq!(after_an_hour, Some(Duration::from_hours(1)));
        let in_a_second =
            schedule(1000, Arrivals::Constant).take_while(|at| *at < Duration::from_secs(1)).count();
        assert_eq!(in_a_second, 1000);
    }

    /// Mean and standard deviation of an exponential distribution are both 1 / rate, and
    /// e^-1 of its values exceed the mean.
    #[test]
    fn poisson_intervals_are_exponential() {
        let count = 100_000;
        let offsets: Vec<_> =
            schedule(1000, Arrivals::Poisson { seed: 1 }).take(count).map(|at| at.as_secs_f64()).collect();
        assert!(offsets.is_sorted());
        let gaps: Vec<f64> =
            std::iter::once(offsets[0]).chain(offsets.windows(2).map(|pair| pair[1] - pair[0])).collect();
        let mean = offsets[count - 1] / count as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count as f64).sqrt();
        // The standard error of both is below 1e-3 / sqrt(1e5) * sqrt(2), and this is five of them.
        for value in [mean, deviation] {
            assert!((value - 1e-3).abs() < 2.5e-5, "{mean} {deviation}");
        }
        let longer = gaps.iter().filter(|gap| **gap > 1e-3).count() as f64 / count as f64;
        assert!((longer - (-1.0_f64).exp()).abs() < 0.01, "{longer}");
    }

    #[test]
    fn a_seed_decides_the_intervals() {
        let first = |seed| schedule(10, Arrivals::Poisson { seed }).take(20).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
