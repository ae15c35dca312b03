//! The number of claims by outcome.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::claim::ObstacleKind;
use super::{Checked, Verdict};

/// The number of claims by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClaimTally {
    /// Claims whose range contains the measured interval.
    pub reproduced: usize,
    /// Claims whose range is worse than the measured interval.
    pub better: usize,
    /// Claims whose range is better than the measured interval.
    pub worse: usize,
    /// Claims whose range overlaps the measured interval, or for which the run has no interval.
    pub undecided: usize,
    /// Claims for which another run can have the figure.
    pub not_in_run: usize,
    /// Claims for which no run on this machine can have it.
    pub cannot: usize,
    /// The latter by the kind of thing that they would take.
    pub takes: BTreeMap<ObstacleKind, usize>,
}

impl ClaimTally {
    /// Counts the outcomes.
    pub fn of(checked: &[Checked]) -> Self {
        let mut tally = Self::default();
        for one in checked {
            *match &one.verdict {
                Verdict::Reproduced => &mut tally.reproduced,
                Verdict::Better => &mut tally.better,
                Verdict::Worse => &mut tally.worse,
                Verdict::Undecided => &mut tally.undecided,
                Verdict::NotInRun { .. } => &mut tally.not_in_run,
                Verdict::Cannot(obstacle) => {
                    *tally.takes.entry(obstacle.kind).or_default() += 1;
                    &mut tally.cannot
                }
            } += 1;
        }
        tally
    }

    /// Claims with a measured value.
    pub fn measured(&self) -> usize {
        self.reproduced + self.better + self.worse + self.undecided
    }

    /// All claims.
    pub fn all(&self) -> usize {
        self.measured() + self.not_in_run + self.cannot
    }
}

impl fmt::Display for ClaimTally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reproduced, better, worse, undecided, not_in_run, cannot, .. } = self;
        write!(
            formatter,
            "{} of {} published claims measured: {reproduced} reproduced, {better} better, {worse} worse, \
             {undecided} undecided; {not_in_run} not in this run, {cannot} cannot be measured here",
            self.measured(),
            self.all(),
        )
    }
}
