//! How many times one quantity is another.

use super::RESAMPLES;
use super::estimate::{Estimate, Interval, Spread};

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Numerator over denominator.
    pub value: f64,
    /// Where it lies with a confidence of 95 %; `None` where that cannot be told, because
    /// it cannot of one of the two.
    pub interval: Option<Interval>,
}

impl Ratio {
    /// Of two quantities that were measured independently: each is resampled for
    /// itself. `None` unless both are positive.
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
                is_sound.then(|| Interval::of(value, &replicates, Spread::width(&[above, below])))
            });
        Some(Self { value, interval })
    }

    /// The smallest effect that was likely enough to be seen: half the width of the
    /// interval, on the scale of logarithms, as a part of the denominator.
    ///
    /// ```text
    /// √(high / low) − 1
    /// ```
    ///
    /// An effect so large would have been found in about half of all such runs, because
    /// it puts the end of the interval on 1; one of 1.4 times that (in logarithms) in
    /// four of five: (1.96 + 0.84) / 1.96.
    pub fn smallest_effect(&self) -> Option<f64> {
        let Interval { low, high } = self.interval?;
        Some((high / low).sqrt() - 1.0)
    }
}
