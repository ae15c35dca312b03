//! Compares claims with a run.

use std::fmt;

use serde::Serialize;

use super::{Answer, Claim, Published, PublishedUnit, Quantity};
use crate::figures::{Figures, Summary, Unit};
use crate::rows::{Cell, Status};
use crate::statistics::{Estimate, Interval, Ratio};
use crate::words;

/// Whether a run reproduces a claim.
///
/// # The rule
///
/// The published statement accepts a range: `about v` accepts `v / within` to `v × within`,
/// `between a, b` accepts `a / within` to `b × within`, `below v` accepts everything up to
/// `v × within`, and `at_least v` everything from `v / within` on. The claim is reproduced if
/// the measured 95 % confidence interval shares a value with that range, ends included. The
/// measured value takes the place of a missing interval.
///
/// A run with wide intervals therefore contradicts few claims: read the interval beside the
/// verdict. A claim that is not reproduced is not refuted either: it was published for another
/// machine and other versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reproduction {
    /// The measured interval agrees with the published statement.
    Reproduced,
    /// The measured interval does not agree.
    NotReproduced,
    /// The run has no figure to compare, for this reason.
    NotMeasurable(String),
}

impl fmt::Display for Reproduction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Reproduced => "reproduced",
            Self::NotReproduced => "not reproduced",
            Self::NotMeasurable(_) => "not measurable here",
        })
    }
}

/// The measured value for a claim, in the claim's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The quantity.
    pub value: f64,
    /// The lower end of its interval; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// A claim with its measured value and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The claim.
    pub claim: Claim,
    /// The measured value; `None` if there is none.
    pub measured: Option<Measured>,
    /// The outcome.
    pub verdict: Reproduction,
}

/// Compares claims with a run, in the order of the claims.
pub fn check(claims: &[Claim], summary: &Summary) -> Vec<Checked> {
    let checked = claims.iter().map(|claim| {
        let (measured, verdict) = match judge(claim, summary) {
            Ok((measured, verdict)) => (Some(measured), verdict),
            Err(reason) => (None, Reproduction::NotMeasurable(reason)),
        };
        Checked { claim: claim.clone(), measured, verdict }
    });
    checked.collect()
}

fn judge(claim: &Claim, summary: &Summary) -> Result<(Measured, Reproduction), String> {
    let (measure, over) = match &claim.answer {
        Answer::Absent(reason) => return Err(reason.clone()),
        Answer::Measured { measure, over } => (measure, over),
    };
    let published = claim.published.as_ref().ok_or("no number is at hand to hold it against")?;
    let parts = measure.iter().map(|quantity| estimate(quantity, published, summary));
    let parts: Vec<&Estimate> = parts.collect::<Result<_, _>>()?;
    let measured = match (over, parts.as_slice()) {
        (Some(over), [above]) => {
            let below = estimate(over, published, summary)?;
            let ratio = Ratio::of(above, below).ok_or("one of the two quantities is not above zero")?;
            Measured::new(ratio.value, ratio.interval)
        }
        (_, [one]) => Measured::new(one.value, one.interval),
        (_, parts) => {
            let sum = Estimate::made_of(parts, |parts| parts.iter().sum());
            let sum = sum.ok_or("there is nothing to add up")?;
            Measured::new(sum.value, sum.interval)
        }
    };
    let verdict =
        if measured.agrees_with(published) { Reproduction::Reproduced } else { Reproduction::NotReproduced };
    Ok((measured, verdict))
}

impl Measured {
    fn new(value: f64, interval: Option<Interval>) -> Self {
        Self {
            value,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
        }
    }

    /// The rule of [`Reproduction`].
    fn agrees_with(&self, published: &Published) -> bool {
        let (least, greatest) = published.accepts();
        self.low.unwrap_or(self.value) <= greatest && self.high.unwrap_or(self.value) >= least
    }
}

/// The estimate of a quantity, or the reason why the run has none.
fn estimate<'a>(
    quantity: &Quantity,
    published: &Published,
    summary: &'a Summary,
) -> Result<&'a Estimate, String> {
    let Quantity { executor, variant, figure, .. } = quantity;
    let function = quantity.function_name();
    let infos = &summary.run.executors;
    let info = infos.iter().find(|info| info.name == *executor || info.spec == *executor);
    let info = info.ok_or_else(|| format!("the run was without the executor `{executor}`"))?;
    if let Some(reason) = &info.unavailable {
        return Err(format!("`{executor}`: {reason}"));
    }
    let is_of_cell = |cell: &&Cell| {
        cell.executor == info.spec
            && cell.function == function
            && cell.variant == *variant
            && !cell.twin
            && quantity.reuse.as_ref().is_none_or(|reuse| *reuse == cell.reuse)
    };
    let cells: Vec<&Cell> = summary.run.cells.iter().filter(is_of_cell).collect();
    let lacking = cells.iter().find(|cell| cell.status != Status::Ok);
    // Phases are measured once for all policies: one good cell proves that they were.
    if let Some(cell) = lacking.filter(|_| cells.iter().all(|cell| cell.status != Status::Ok)) {
        return Err(format!("`{executor}`: {}", why(cell)));
    }
    let group = summary.groups.iter().find(|group| group.function == function && group.variant == *variant);
    let figures: Option<&Figures> =
        group.and_then(|group| group.executors.iter().find(|executor| executor.spec == info.spec));
    let found = figures.and_then(|figures| quantity.pick(figures));
    let found = found.ok_or_else(|| format!("the run has no {quantity}"))?;
    if !is_counted_in(found.unit, published.unit) {
        return Err(format!("`{figure}` is counted in {}", found.unit.name()));
    }
    Ok(&found.estimate)
}

/// Whether a figure in this unit can answer a claim in that unit: any can answer a ratio.
fn is_counted_in(unit: Unit, published: PublishedUnit) -> bool {
    match published {
        PublishedUnit::Nanoseconds => unit == Unit::Nanoseconds,
        PublishedUnit::Bytes => unit == Unit::Bytes,
        PublishedUnit::PerSecond => unit == Unit::PerSecond,
        PublishedUnit::Ratio => true,
    }
}

fn why(cell: &Cell) -> String {
    match (&cell.reason, cell.status) {
        (Some(reason), _) => words::one_line(reason),
        (None, Status::Pending) => "not reached before the run ended".into(),
        (None, _) => "it was not measured, and the run does not say why".into(),
    }
}
