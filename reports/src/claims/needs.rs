//! What a run must have measured so that claims can be checked.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Answer, Claim};
use crate::rows::Experiment;

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
