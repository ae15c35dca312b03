//! Estimates from samples, and their uncertainty.
//!
//! Samples come in repetitions. Each repetition is a server process of its own, so its memory
//! layout and its scheduling affect all of its samples. A figure is therefore the mean of the
//! repetitions' values (medians, 99th percentiles, slopes), and its interval covers two
//! levels: the noise between repetitions and the noise within them:
//!
//! - T. Kalibera, R. Jones: Rigorous Benchmarking in Reasonable Time, ISMM 2013, for
//!   why the repetition is the unit that counts.
//! - A. C. Davison, D. V. Hinkley: Bootstrap Methods and their Application, 1997,
//!   §3.8, for resampling on two levels, as [`Bootstrap`] does.
//! - T. C. Hesterberg: What Teachers Should Know About the Bootstrap, The American
//!   Statistician 69(4), 2015, §5.3, for why percentile intervals of few units are too narrow,
//!   which `Spread::width` corrects.
//!
//! Many comparisons of one report are judged together: see [`discoveries`].
//!
//! The samples may have any distribution. The values of repetitions are assumed to be roughly
//! normal; the factor for few repetitions is Student's.

mod bootstrap;
pub mod discoveries;
mod distribution;
mod estimate;
mod line;
mod outliers;
mod paired;
mod quantile;
mod ratio;

pub use bootstrap::{Bootstrap, RESAMPLES};
pub use distribution::Distribution;
pub use estimate::{Estimate, Interval, Spread};
pub use line::{LineFit, Misfit, line};
pub use outliers::Outliers;
pub use paired::{always_valid, hodges_lehmann};
pub use quantile::{BEYOND, carries, quantile};
pub use ratio::Ratio;

/// The confidence of all intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Samples of one quantity, by repetition; within each in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    repetitions: Vec<Vec<f64>>,
}

impl Samples {
    /// Takes samples by repetition; leaves out repetitions without samples.
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

    /// The number of all samples.
    pub fn len(&self) -> usize {
        self.repetitions.iter().map(Vec::len).sum()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.repetitions.is_empty()
    }
}
