//! The finding of a comparison: a difference, none above a margin, or neither yet.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PairEffects;
use crate::statistics::{Interval, Ratio, always_valid};

/// A difference is known well enough if half of its interval is this part of it, or the margin.
const PRECISION: f64 = 0.25;

/// The purpose of a comparison, which decides when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aim {
    /// Differences up to this do not matter, as a part: 0.015.
    pub margin: f64,
}

/// The finding of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The interval of the ratio does not contain 1.
    Difference,
    /// The interval contains 1 and lies within the margin: there is no difference that matters.
    /// This is two one-sided tests at 2.5 % each (D. J. Schuirmann, Journal of Pharmacokinetics
    /// and Biopharmaceutics 15(6), 1987), stricter than the usual 5 %.
    NoDifference,
    /// The interval contains 1 and reaches beyond the margin.
    Undecided,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedResult {
    /// The second side's value over the first's, with an interval that holds at any time; `None`
    /// if there is no complete pair.
    pub ratio: Option<Ratio>,
    /// The finding.
    pub finding: Finding,
    /// Pairs of processes.
    pub pairs: usize,
    /// Quads of windows, of all pairs.
    pub quads: usize,
    aim: Aim,
}

impl PairedResult {
    /// The result of these effects.
    pub fn of(pairs: &PairEffects, aim: Aim) -> Self {
        let ratio = ratio(&pairs.effects);
        let finding = match ratio.and_then(|ratio| ratio.interval) {
            Some(interval) if !interval.holds(1.0) => Finding::Difference,
            Some(interval) if is_within(interval, aim.margin) => Finding::NoDifference,
            _ => Finding::Undecided,
        };
        Self { ratio, finding, pairs: pairs.effects.len(), quads: pairs.quads, aim }
    }

    /// Whether more pairs would tell nothing that matters: no difference is shown, or one that is
    /// known to a quarter of itself or to the margin. The interval holds at any time, so stopping
    /// here does not make errors more frequent.
    pub fn is_settled(&self) -> bool {
        let Some(Ratio { value, interval: Some(Interval { low, high }) }) = self.ratio else { return false };
        let half = (high / low).ln() / 2.0;
        match self.finding {
            Finding::NoDifference => true,
            Finding::Difference => half <= self.aim.margin.max(PRECISION * value.ln().abs()),
            Finding::Undecided => false,
        }
    }

    /// Whether the second side is worse by more than this part: its whole interval is.
    pub fn is_worse_by(&self, part: f64, is_less_better: bool) -> bool {
        let Some(Interval { low, high }) = self.ratio.and_then(|ratio| ratio.interval) else { return false };
        if is_less_better { low > 1.0 + part } else { high < 1.0 - part }
    }

    /// The margin, as a part.
    pub fn margin(&self) -> f64 {
        self.aim.margin
    }
}

fn ratio(effects: &[f64]) -> Option<Ratio> {
    let ends = |Interval { low, high }| Interval { low: low.exp(), high: high.exp() };
    let (mean, interval) = always_valid(effects).map_or_else(
        || (effects.iter().sum::<f64>() / effects.len() as f64, None),
        |(mean, interval)| (mean, Some(ends(interval))),
    );
    mean.is_finite().then(|| Ratio { value: mean.exp(), interval })
}

fn is_within(interval: Interval, margin: f64) -> bool {
    interval.low >= 1.0 - margin && interval.high <= 1.0 + margin
}

#[cfg(test)]
mod tests {
    use super::*;

    const AIM: Aim = Aim { margin: 0.015 };

    fn result(effects: &[f64]) -> PairedResult {
        let mut pairs = PairEffects::default();
        for effect in effects {
            pairs.add(&[*effect]);
        }
        PairedResult::of(&pairs, AIM)
    }

    #[test]
    fn a_finding_is_a_difference_none_or_undecided() {
        let around = |middle: f64, scatter: f64| -> Vec<f64> {
            (0..12).map(|index| middle + scatter * f64::from(index % 4 - 1)).collect()
        };
        let found = |middle, scatter| {
            let result = result(&around(middle, scatter));
            (result.finding, result.is_settled())
        };
        assert_eq!(found(0.03, 0.005), (Finding::Difference, true));
        assert_eq!(found(0.06, 0.03), (Finding::Difference, false), "the interval is still wide");
        assert_eq!(found(-0.002, 0.005), (Finding::NoDifference, true));
        assert_eq!(found(0.0, 0.03), (Finding::Undecided, false));
        assert_eq!(result(&[0.03]).finding, Finding::Undecided);
        assert_eq!(result(&[]).ratio, None);
    }

    #[test]
    fn worse_means_that_the_whole_interval_is_worse() {
        let slower = result(&[-0.050, -0.051, -0.052, -0.049, -0.050, -0.048]);
        assert!(slower.is_worse_by(0.03, false) && !slower.is_worse_by(0.06, false));
        assert!(!slower.is_worse_by(0.0, true), "less is better");
        assert!(!result(&[-0.05, 0.05, -0.07]).is_worse_by(0.0, false), "undecided is not worse");
    }
}
