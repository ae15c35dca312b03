//! The function that a report speaks of where it speaks of one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Figures, Group, Summary};

impl Summary {
    /// The variants of the run's smallest function: `hello` if it has figures, else the function
    /// that answers most requests per second, else the first by name.
    pub fn headline(&self) -> Vec<&Group> {
        let mut functions: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
        for group in &self.groups {
            functions.entry(&group.function).or_default().push(group);
        }
        let rank = |groups: &[&Group]| {
            let executors = || groups.iter().flat_map(|group| &group.executors);
            let rates = executors().flat_map(|one| one.named("load_rate")).map(|rate| rate.estimate.value);
            (executors().any(is_measured), groups[0].function == "hello", rates.fold(0.0, f64::max))
        };
        let best = functions.into_values().rev().max_by(|one, other| {
            let (one, other) = (rank(one), rank(other));
            (one.0, one.1).cmp(&(other.0, other.1)).then(one.2.total_cmp(&other.2)).then(Ordering::Less)
        });
        best.unwrap_or_default()
    }
}

/// Whether an executor has one of the figures that a conclusion compares.
fn is_measured(executor: &Figures) -> bool {
    let rate = || ["fresh", "warm"].iter().find_map(|reuse| executor.best_rate(reuse));
    executor.start().or_else(|| executor.memory()).or_else(rate).is_some()
}
