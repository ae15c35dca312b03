//! The reach of an executor's guests: one answer for each attempt.

use std::collections::BTreeMap;

use super::{Figure, Settings, Unit};
use crate::rows::Row;
use crate::rows::row::Attempt;
use crate::statistics::Estimate;

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host saw its effect.
    Succeeded,
    /// It had no effect.
    Prevented,
    /// It could not be made, for this reason.
    Failed(String),
}

/// The outcomes of all attempts, by attempt.
pub type Outcomes = BTreeMap<Attempt, Outcome>;

/// The outcomes in the rows of one executor. Where a run made an attempt again, the last one counts.
pub(super) fn outcomes(rows: &[&Row]) -> Outcomes {
    let outcome = |row: &Row| match (&row.failed, row.value) {
        (Some(reason), _) => Outcome::Failed(reason.clone()),
        (None, 0) => Outcome::Prevented,
        (None, _) => Outcome::Succeeded,
    };
    rows.iter().filter_map(|row| Some((row.attempt?, outcome(row)))).collect()
}

/// A figure for each attempt that was made: 1 if it succeeded, and 0 if not.
pub(super) fn figures(outcomes: &Outcomes) -> impl Iterator<Item = Figure> {
    outcomes.iter().filter_map(|(attempt, outcome)| {
        let value = match outcome {
            Outcome::Succeeded => 1.0,
            Outcome::Prevented => 0.0,
            Outcome::Failed(_) => return None,
        };
        let name = format!("confinement_{}", attempt.name());
        let estimate = Estimate::without_interval(value, 1, 1);
        Some(Figure::derived(name, Settings::default(), Unit::Count, estimate))
    })
}
