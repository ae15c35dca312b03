//! Compares claims with a run.

use schemars::JsonSchema;
use serde::Serialize;

use super::Quantity;
use super::claim::{Answer, Claim, Obstacle, ObstacleKind, PublishedUnit};
use super::verdict::{Position, Verdict};
use crate::figures::{Figures, Summary, Unit};
use crate::rows::{Cell, Status};
use crate::statistics::{Estimate, Interval, Ratio};
use crate::words;

/// The measured value for a claim, in the claim's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
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
    /// How its interval lies to the published range; `None` without an interval.
    pub position: Option<Position>,
    /// The outcome.
    pub verdict: Verdict,
}

/// Why a run has no figure for a claim.
enum Lack {
    /// Another run on this machine can have it.
    InRun(String),
    /// This machine cannot run the executor, for this reason.
    OnMachine { spec: String, reason: String },
}

/// Compares claims with a run, in the order of the claims.
pub fn check(claims: &[Claim], summary: &Summary) -> Vec<Checked> {
    claims.iter().map(|claim| of_claim(claim, summary)).collect()
}

fn of_claim(claim: &Claim, summary: &Summary) -> Checked {
    let (measured, (position, verdict)) = match &claim.answer {
        Answer::Cannot(obstacle) => (None, (None, Verdict::Cannot(obstacle.clone()))),
        Answer::Measured { measure, over } => {
            match measure_claim(measure, over.as_ref(), claim.published.unit, summary) {
                Ok(measured) => (Some(measured), Verdict::of(measured.interval(), &claim.published)),
                Err(lack) => (None, (None, lack.verdict(&claim.id))),
            }
        }
    };
    Checked { claim: claim.clone(), measured, position, verdict }
}

fn measure_claim(
    measure: &[Quantity],
    over: Option<&Quantity>,
    unit: PublishedUnit,
    summary: &Summary,
) -> Result<Measured, Lack> {
    let parts = measure.iter().map(|quantity| estimate(quantity, unit, summary));
    let parts: Vec<&Estimate> = parts.collect::<Result<_, _>>()?;
    match (over, parts.as_slice()) {
        (Some(over), [above]) => {
            let below = estimate(over, unit, summary)?;
            let ratio = Ratio::of(above, below);
            let ratio = ratio.ok_or_else(|| Lack::in_run("one of the two quantities is not above zero"))?;
            Ok(Measured::new(ratio.value, ratio.interval))
        }
        (_, [one]) => Ok(Measured::new(one.value, one.interval)),
        (_, parts) => {
            let sum = Estimate::made_of(parts, |parts| parts.iter().sum());
            let sum = sum.ok_or_else(|| Lack::in_run("there is nothing to add up"))?;
            Ok(Measured::new(sum.value, sum.interval))
        }
    }
}

impl Measured {
    fn new(value: f64, interval: Option<Interval>) -> Self {
        Self {
            value,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
        }
    }

    fn interval(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }
}

impl Lack {
    fn in_run(reason: impl Into<String>) -> Self {
        Self::InRun(reason.into())
    }

    fn verdict(self, id: &str) -> Verdict {
        match self {
            Self::InRun(reason) => {
                Verdict::NotInRun { reason, command: format!("isolab reproduce --claim {id}") }
            }
            Self::OnMachine { spec, reason } => Verdict::Cannot(Obstacle {
                kind: ObstacleKind::Software,
                takes: format!("a machine that can run `{spec}`"),
                because: reason,
            }),
        }
    }
}

/// The estimate of a quantity, or the reason why the run has none.
fn estimate<'a>(
    quantity: &Quantity,
    unit: PublishedUnit,
    summary: &'a Summary,
) -> Result<&'a Estimate, Lack> {
    let Quantity { executor, variant, figure, .. } = quantity;
    let function = quantity.function_name();
    let infos = &summary.run.executors;
    let info = infos.iter().find(|info| info.name == *executor || info.spec == *executor);
    let info = info.ok_or_else(|| Lack::InRun(format!("the run was without the executor `{executor}`")))?;
    if let Some(reason) = &info.unavailable {
        return Err(Lack::OnMachine { spec: executor.clone(), reason: words::one_line(reason) });
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
        return Err(Lack::InRun(format!("`{executor}`: {}", why(cell))));
    }
    let group = summary.groups.iter().find(|group| group.function == function && group.variant == *variant);
    let figures: Option<&Figures> =
        group.and_then(|group| group.executors.iter().find(|executor| executor.spec == info.spec));
    let found = figures.and_then(|figures| quantity.pick(figures));
    let found = found.ok_or_else(|| Lack::InRun(format!("the run has no {quantity}")))?;
    if !is_counted_in(found.unit, unit) {
        return Err(Lack::InRun(format!("`{figure}` is counted in {}", found.unit.name())));
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
