//! Checked claims for other programs, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::claim::{Claim, Obstacle};
use super::{Checked, ClaimTally, Measured, Position, Verdict};

/// Claims that were checked with a run; the schema is `reports/schema/claims.schema.json`.
#[derive(Serialize, JsonSchema)]
pub struct ClaimsExport<'a> {
    /// The run's id.
    run: &'a str,
    /// The confidence of the intervals, from 0 to 1.
    confidence: f64,
    /// The number of claims by verdict.
    tally: ClaimTally,
    /// Every claim.
    claims: Vec<ExportedClaim<'a>>,
}

/// One claim.
#[derive(Serialize, JsonSchema)]
struct ExportedClaim<'a> {
    #[serde(flatten)]
    claim: &'a Claim,
    /// The range that agrees with the claim.
    accepts: Accepts,
    /// The measured value; `null` if the run has none.
    measured: Option<Measured>,
    /// How the measured interval lies to the range; left out without an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<Position>,
    /// The verdict.
    verdict: VerdictName,
    /// Why the run has no value, where another run can have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The command whose run has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    /// The thing that a measurement would take.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<&'a Obstacle>,
}

/// A verdict, without its reasons.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum VerdictName {
    /// The range contains the measured interval.
    Reproduced,
    /// The measured interval lies apart from the range, on its better side.
    Better,
    /// The measured interval lies apart from the range, on its worse side.
    Worse,
    /// The measured interval overlaps the range, or does not exist.
    Undecided,
    /// Another run can have the figure.
    NotInRun,
    /// No run on this machine can have the figure.
    Cannot,
}

#[derive(Serialize, JsonSchema)]
struct Accepts {
    /// The least value.
    low: f64,
    /// The greatest value; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<f64>,
}

impl<'a> From<&'a Checked> for ExportedClaim<'a> {
    fn from(one: &'a Checked) -> Self {
        let (low, high) = one.claim.published.accepts();
        let mut exported = Self {
            claim: &one.claim,
            accepts: Accepts { low, high: Some(high).filter(|high| high.is_finite()) },
            measured: one.measured,
            interval: one.position,
            verdict: VerdictName::Undecided,
            reason: None,
            command: None,
            obstacle: None,
        };
        exported.verdict = match &one.verdict {
            Verdict::Reproduced => VerdictName::Reproduced,
            Verdict::Better => VerdictName::Better,
            Verdict::Worse => VerdictName::Worse,
            Verdict::Undecided => VerdictName::Undecided,
            Verdict::NotInRun { reason, command } => {
                exported.reason = Some(reason);
                exported.command = Some(command);
                VerdictName::NotInRun
            }
            Verdict::Cannot(obstacle) => {
                exported.obstacle = Some(obstacle);
                VerdictName::Cannot
            }
        };
        exported
    }
}

/// The claims and outcomes as JSON. `run` is the run's id.
pub fn json(checked: &[Checked], run: &str) -> String {
    let exported = ClaimsExport {
        run,
        confidence: crate::statistics::CONFIDENCE,
        tally: ClaimTally::of(checked),
        claims: checked.iter().map(Into::into).collect(),
    };
    let text =
        serde_json::to_string_pretty(&exported).expect("a struct of texts and finite numbers serialises");
    text + "\n"
}
