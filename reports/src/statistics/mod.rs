//! What samples come to, and how sure that is.
//!
//! Samples come in repetitions, and each repetition is a server process of its own:
//! what the linker, the allocator and the scheduler made of it holds for all of its
//! samples. So a figure is the mean over the repetitions of what each repetition says
//! (its median, its 99th percentile, its slope), and its interval has to see both
//! levels, the noise between repetitions and that within them:
//!
//! - T. Kalibera, R. Jones: Rigorous Benchmarking in Reasonable Time, ISMM 2013, for
//!   why the repetition is the unit that counts.
//! - A. C. Davison, D. V. Hinkley: Bootstrap Methods and their Application, 1997,
//!   §3.8, for resampling on two levels, as [`Bootstrap`] does.
//! - T. C. Hesterberg: What Teachers Should Know About the Bootstrap, The American
//!   Statistician 69(4), 2015, §5.3, for what a percentile interval misses of few units,
//!   and `Spread::width` makes up for.
//!
//! Nothing here assumes a distribution of the samples: latencies have none that is
//! worth a name. What is assumed is that a repetition's figure is roughly normal; the
//! factor for few repetitions is Student's.

mod bootstrap;
mod estimate;
mod line;
mod outliers;
mod quantile;
mod ratio;

pub use bootstrap::{Bootstrap, RESAMPLES};
pub use estimate::{Estimate, Interval, Spread};
pub use line::{LineFit, line};
pub use outliers::Outliers;
pub use quantile::quantile;
pub use ratio::Ratio;

/// How sure an interval is meant to be.
pub const CONFIDENCE: f64 = 0.95;

/// Samples of one quantity, by repetition; within each in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    repetitions: Vec<Vec<f64>>,
}

impl Samples {
    /// Takes samples by repetition; repetitions without samples are left out.
    pub fn new(repetitions: impl IntoIterator<Item = Vec<f64>>) -> Self {
        let sorted = repetitions.into_iter().filter(|samples| !samples.is_empty()).map(|mut samples| {
            samples.sort_unstable_by(f64::total_cmp);
            samples
        });
        Self { repetitions: sorted.collect() }
    }

    /// The samples of each repetition, in ascending order.
    pub fn repetitions(&self) -> &[Vec<f64>] {
        &self.repetitions
    }

    /// All samples, repetition by repetition.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        self.repetitions.iter().flatten().copied()
    }

    /// How many samples there are in all.
    pub fn len(&self) -> usize {
        self.repetitions.iter().map(Vec::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.repetitions.is_empty()
    }
}
