//! What a run must have measured so that claims can be checked.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::{Answer, Claim};

/// An experiment, by the name that the command line gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Experiment {
    /// Phases, and answers one at a time.
    Startup,
    /// What live instances hold.
    Memory,
    /// How many instances can be live.
    Density,
    /// The closed loop.
    Load,
    /// The open loop.
    Open,
    /// Requests at once.
    Burst,
}

impl Experiment {
    /// The experiment that measures a figure of this name, if one does.
    pub fn of(figure: &str) -> Option<Self> {
        let subject = figure.split(['_', '.']).next()?;
        Some(match subject {
            "prepare" | "start" | "invoke" | "stop" | "response" => Self::Startup,
            "memory" => Self::Memory,
            "density" => Self::Density,
            "load" => Self::Load,
            "open" => Self::Open,
            "burst" => Self::Burst,
            _ => return None,
        })
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Startup => "startup",
            Self::Memory => "memory",
            Self::Density => "density",
            Self::Load => "load",
            Self::Open => "open",
            Self::Burst => "burst",
        })
    }
}

/// A cell, and an experiment that it must have been through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Need {
    /// The executor spec in short form.
    pub executor: String,
    /// A function's name, or its folder as seen from `functions/`.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The reuse policy; `None` where it makes no difference.
    pub reuse: Option<String>,
    /// The experiment.
    pub experiment: Experiment,
}

/// What a run must have measured so that these claims can be checked: each need once,
/// in order. A claim that nothing answers needs nothing.
pub fn needs(claims: &[Claim]) -> Vec<Need> {
    let mut needs = BTreeSet::new();
    for claim in claims {
        let Answer::Measured { measure, over } = &claim.answer else { continue };
        for quantity in measure.iter().chain(over) {
            let Some(experiment) = Experiment::of(&quantity.figure) else { continue };
            needs.insert(Need {
                executor: quantity.executor.clone(),
                function: quantity.function.clone(),
                variant: quantity.variant.clone(),
                reuse: quantity.reuse.clone(),
                experiment,
            });
        }
    }
    needs.into_iter().collect()
}
