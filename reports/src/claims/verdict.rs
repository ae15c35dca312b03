//! The rule that compares a measured interval with a published range.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::claim::{Better, Obstacle, Published};

/// How a measured interval lies to a published range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// The range contains the whole interval, ends included.
    Contained,
    /// They share values, and the interval reaches beyond the range.
    Overlapping,
    /// They share no value.
    Apart,
}

/// The outcome of a claim in a run.
///
/// # The rule
///
/// The published statement accepts a range: `about v` accepts `v / within` to `v × within`,
/// `between a, b` accepts `a / within` to `b × within`, `below v` accepts everything up to
/// `v × within`, and `at_least v` everything from `v / within` on. The [`Position`] of the
/// measured 95 % confidence interval decides:
///
/// | the interval | verdict |
/// |---|---|
/// | lies within the range | reproduced |
/// | lies apart from it, on its better side | better |
/// | lies apart from it, on the other side | worse |
/// | overlaps it | undecided |
/// | does not exist | undecided |
///
/// A run with wide intervals therefore decides few claims. No verdict confirms or refutes a
/// publication: its figure is of another machine and other versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The published range contains the measured interval.
    Reproduced,
    /// The measured interval lies on the better side of the range.
    Better,
    /// The measured interval lies on the worse side of the range.
    Worse,
    /// The measured interval overlaps the range, or does not exist.
    Undecided,
    /// The run lacks the figure, and another run on this machine can have it.
    NotInRun {
        /// Why the run lacks it.
        reason: String,
        /// The command whose run has it.
        command: String,
    },
    /// No run of this lab on this machine has the figure.
    Cannot(Obstacle),
}

impl Position {
    /// Both are closed; a range may be unbounded above.
    pub fn of(interval: (f64, f64), range: (f64, f64)) -> Self {
        if interval.1 < range.0 || interval.0 > range.1 {
            Self::Apart
        } else if interval.0 >= range.0 && interval.1 <= range.1 {
            Self::Contained
        } else {
            Self::Overlapping
        }
    }
}

impl Verdict {
    /// The rule of this type, for a quantity that was measured with or without an interval.
    pub fn of(interval: Option<(f64, f64)>, published: &Published) -> (Option<Position>, Self) {
        let Some(interval) = interval else { return (None, Self::Undecided) };
        let range = published.accepts();
        let position = Position::of(interval, range);
        let is_below = interval.1 < range.0;
        let verdict = match position {
            Position::Contained => Self::Reproduced,
            Position::Overlapping => Self::Undecided,
            Position::Apart if is_below == (published.better == Better::Less) => Self::Better,
            Position::Apart => Self::Worse,
        };
        (Some(position), verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Reproduced => "reproduced",
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Undecided => "undecided",
            Self::NotInRun { .. } => "not in this run",
            Self::Cannot(_) => "cannot be measured here",
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Contained => "contained",
            Self::Overlapping => "overlapping",
            Self::Apart => "apart",
        })
    }
}
