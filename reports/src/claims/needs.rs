//! The cells and experiments that a run needs to check claims.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Claim;
use crate::rows::Experiment;

/// A cell, and an experiment that it needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Need {
    /// The executor spec in short form.
    pub executor: String,
    /// A function's name, or its folder as seen from `functions/`.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The reuse policy; `None` if it does not matter.
    pub reuse: Option<String>,
    /// The experiment.
    pub experiment: Experiment,
}

/// The cells and experiments that a run needs to check these claims: each once, in order. A
/// claim without an answer needs nothing.
pub fn needs(claims: &[Claim]) -> Vec<Need> {
    let mut needs = BTreeSet::new();
    for claim in claims {
        for quantity in claim.answer.quantities() {
            let Some(experiment) = Experiment::of(&quantity.figure) else { continue };
            needs.insert(Need {
                executor: quantity.executor.clone(),
                function: quantity.function.clone(),
                variant: quantity.variant.clone(),
                reuse: quantity.reuse_needed(),
                experiment,
            });
        }
    }
    needs.into_iter().collect()
}
