//! A quantity with its interval, and the resamples to compare it with another.

use std::sync::Arc;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::CONFIDENCE;

/// The normal distribution's quantile of 97.5 %.
const NORMAL: f64 = 1.959_963_984_540_054;

/// A quantity with its uncertainty.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// The quantity: the mean of the repetitions' values.
    pub value: f64,
    /// The 95 % confidence interval; `None` if there are too few samples for one.
    pub interval: Option<Interval>,
    /// The number of samples.
    pub samples: usize,
    /// The number of repetitions. With one, the interval covers only the noise within it.
    pub repetitions: usize,
    pub(super) spread: Option<Arc<Spread>>,
}

/// A range of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How an estimate scatters: its resamples, and the variances of its two levels.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The estimate of each resample.
    pub(super) replicates: Vec<f64>,
    /// Relative variance by the noise between repetitions, as resampling shows it.
    pub(super) between: f64,
    /// Relative variance by the noise within them.
    pub(super) within: f64,
    /// The number of repetitions.
    pub(super) repetitions: f64,
    /// Degrees of freedom of the noise within.
    pub(super) freedom: f64,
}

impl Estimate {
    pub(super) fn new(value: f64, samples: usize, spread: Spread) -> Self {
        let repetitions = spread.repetitions as usize;
        let is_told = spread.freedom > 0.0 || repetitions > 1;
        let interval = || Interval::of(value, &spread.replicates, Spread::width(&[&spread]));
        let interval = is_told.then(interval).flatten();
        Self { value, interval, samples, repetitions, spread: is_told.then(|| Arc::new(spread)) }
    }

    /// A quantity without an interval.
    pub fn without_interval(value: f64, samples: usize, repetitions: usize) -> Self {
        Self { value, interval: None, samples, repetitions, spread: None }
    }

    /// A quantity that is computed from others, which were measured independently. Its interval
    /// is stretched as much as that of the least certain one.
    pub fn made_of(parts: &[&Self], formula: impl Fn(&[f64]) -> f64) -> Option<Self> {
        let values: Vec<f64> = parts.iter().map(|part| part.value).collect();
        let value = Some(formula(&values)).filter(|value| value.is_finite())?;
        let samples = parts.iter().map(|part| part.samples).min()?;
        let repetitions = parts.iter().map(|part| part.repetitions).min()?;
        let spreads: Option<Vec<&Spread>> = parts.iter().map(|part| part.spread.as_deref()).collect();
        let Some(spreads) = spreads else {
            return Some(Self::without_interval(value, samples, repetitions));
        };
        let stretch = spreads.iter().map(|spread| Spread::width(&[*spread]).stretch).fold(1.0, f64::max);
        let replicates: Vec<f64> = (0..super::RESAMPLES)
            .map(|index| {
                let parts = spreads.iter().enumerate();
                let parts: Vec<f64> = parts.map(|(part, spread)| spread.at(index, part)).collect();
                formula(&parts)
            })
            .collect();
        let interval =
            Interval::of(value, &replicates, Width { stretch, least: 0.0, freedom: f64::INFINITY });
        Some(Self { value, interval, samples, repetitions, spread: None })
    }
}

impl Interval {
    /// The range between the outer 2.5 % of the resamples on either side, stretched about the
    /// estimate; on the scale of logarithms if all resamples are positive. The resamples give
    /// its shape; its width is never less than Student's. `None` if an end leaves the range of
    /// floating-point numbers.
    pub(super) fn of(value: f64, replicates: &[f64], width: Width) -> Option<Self> {
        let mut sorted = replicates.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - CONFIDENCE) / 2.0 * sorted.len() as f64;
        let (low, high) = (sorted[tail as usize], sorted[sorted.len() - 1 - tail as usize]);
        let (low, high) = (low.min(value), high.max(value));
        let is_positive = sorted[0] > 0.0 && value > 0.0;
        let interval = if is_positive {
            let stretch = width.stretch_of((high / low).ln() / 2.0);
            Self { low: value * (low / value).powf(stretch), high: value * (high / value).powf(stretch) }
        } else {
            let stretch = width.stretch_of((high - low) / 2.0 / value.abs());
            Self { low: value + (low - value) * stretch, high: value + (high - value) * stretch }
        };
        let is_there = interval.low.is_finite() && interval.high.is_finite();
        (is_there && !(is_positive && interval.low <= 0.0)).then_some(interval)
    }

    /// Whether it spans more than a factor of ten: the quantity is not known to its order of
    /// magnitude.
    pub fn is_vague(&self) -> bool {
        self.low > 0.0 && self.high > 10.0 * self.low
    }

    /// Whether it contains a value, ends included.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The width that an interval needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Width {
    /// A multiple of the resamples' percentiles …
    pub(super) stretch: f64,
    /// … and half of it at least, as a part of the estimate.
    pub(super) least: f64,
    /// The degrees of freedom of Student's distribution behind it.
    pub(super) freedom: f64,
}

impl Width {
    fn stretch_of(self, half: f64) -> f64 {
        if half > 0.0 && half.is_finite() { self.stretch.max(self.least / half) } else { self.stretch }
    }
}

impl Spread {
    /// The width that the interval of a quotient of independent quantities needs, or of one
    /// alone: by how much the percentile interval is too narrow.
    ///
    /// Resampling R repetitions sees (R − 1) / R of the variance between them, and a
    /// percentile interval takes the quantile of a normal distribution where Student's
    /// is due (Hesterberg 2015, §5.3). So with `b` and `w` the relative variances between and
    /// within, the factor is
    ///
    /// ```text
    /// t(ν) / 1.96 · √( Σ (b·R/(R−1) + w) / Σ (b + w) )
    /// ν = (Σ (b·R/(R−1) + w))² / Σ ((b·R/(R−1))² / (R−1) + w² / (n−R))
    /// ```
    ///
    /// ν being the degrees of freedom of Welch and Satterthwaite (B. L. Welch, The
    /// Generalization of "Student's" Problem, Biometrika 34, 1947). Resampling on both levels counts the noise
    /// within twice, once more in the scatter of the repetitions: the intervals are
    /// rather too wide than too narrow.
    ///
    /// Two repetitions have only three different resamples, and percentiles of those stay
    /// below 1.96 standard errors. So half the interval is `t(ν) · √( Σ (b·R/(R−1) + w) )`
    /// at least.
    pub(super) fn width(spreads: &[&Self]) -> Width {
        let (mut seen, mut real, mut freedom) = (0.0, 0.0, 0.0);
        for spread in spreads {
            seen += spread.between + spread.within;
            let others = spread.repetitions - 1.0;
            if others > 0.0 {
                let between = spread.between * spread.repetitions / others;
                real += between;
                freedom += between * between / others;
            }
            real += spread.within;
            if spread.freedom > 0.0 {
                freedom += spread.within * spread.within / spread.freedom;
            }
        }
        if seen <= 0.0 || freedom <= 0.0 {
            return Width { stretch: 1.0, least: 0.0, freedom: f64::INFINITY };
        }
        let freedom = (real * real / freedom).max(1.0);
        let student = student(freedom, CONFIDENCE);
        Width { stretch: student / NORMAL * (real / seen).sqrt(), least: student * real.sqrt(), freedom }
    }

    /// A resample for the `part`th quantity of several. All quantities are resampled
    /// by the same random numbers, so each takes its resamples in an order of its own.
    pub(super) fn at(&self, index: usize, part: usize) -> f64 {
        // Factors without a common divisor with the number of resamples.
        const STRIDES: [usize; 4] = [1, 389, 617, 811];
        let index = index * STRIDES[part % STRIDES.len()] + part * 97;
        self.replicates[index % self.replicates.len()]
    }
}

/// Degrees of freedom from which on Student's distribution is the normal one.
const MANY: f64 = 1e6;

/// The quantile of Student's distribution that holds this part of it between itself and its
/// negative.
pub(super) fn student(freedom: f64, confidence: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.clamp(1.0, MANY))
        .map_or(NORMAL, |distribution| distribution.inverse_cdf(0.5 + confidence / 2.0))
}

/// The part of Student's distribution above a value.
pub(super) fn above(freedom: f64, value: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.clamp(1.0, MANY)).map_or(0.5, |distribution| distribution.sf(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles_agree_with_the_published_table() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, §1.3.6.7.2.
        for (freedom, quantile) in [(1.0, 12.706), (2.0, 4.303), (4.0, 2.776), (10.0, 2.228), (100.0, 1.984)]
        {
            assert!((student(freedom, CONFIDENCE) - quantile).abs() < 1e-3, "{freedom}");
        }
    }

    #[test]
    fn few_repetitions_stretch_an_interval_as_student_says() {
        let between = |repetitions| Spread {
            replicates: Vec::new(),
            between: 1.0,
            within: 0.0,
            repetitions,
            freedom: 0.0,
        };
        // √(5/4) · t(4) / z, with the table's t.
        let five = 1.118_034 * 2.776 / 1.959_964;
        assert!((Spread::width(&[&between(5.0)]).stretch - five).abs() < 1e-3);
        // Two equal variances of 4 degrees of freedom each have 8 together (Welch).
        let pair = 1.118_034 * 2.306 / 1.959_964;
        assert!((Spread::width(&[&between(5.0), &between(5.0)]).stretch - pair).abs() < 1e-3);
        let many = Spread { within: 1.0, between: 0.0, freedom: 1e6, ..between(1.0) };
        assert!((Spread::width(&[&many]).stretch - 1.0).abs() < 1e-3);
    }
}
