//! The first thing that a report says: five sentences, made from the run's own figures.
//!
//! [`Conclusion::of`] is a pure function of a [`Summary`]. It speaks of one function, the run's
//! smallest, because there the isolation weighs most; each sentence adds where other functions
//! come out differently. A sentence names a winner only if the run shows one: with one
//! repetition, with intervals that overlap, with a difference that is smaller than the host's
//! drift, or with cells that failed, it says that instead.
//!
//! Every number in a sentence is a [`Quoted`] part that knows its [`Source`], so that a test
//! can hold each number against the figures.

mod floor;
mod ranking;
mod sentence;
mod standing;
mod table;
mod trust;

pub use ranking::Metric;
pub use sentence::{Conclusion, End, FigureRef, Quoted, Sentence, Source, Subject};
pub(crate) use table::{key, table};

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::figures::{Group, Summary};

impl Conclusion {
    /// The conclusion from a run's figures.
    pub fn of(summary: &Summary) -> Self {
        let groups = headline(summary);
        let sentence = |subject, metrics: &[Metric]| standing::sentence(summary, &groups, subject, metrics);
        Self {
            sentences: [
                sentence(Subject::Start, &[Metric::Start]),
                sentence(Subject::Memory, &[Metric::Memory]),
                sentence(Subject::Throughput, &[Metric::Fresh, Metric::Warm]),
                floor::sentence(summary, &groups),
                trust::sentence(summary, &groups),
            ],
        }
    }
}

/// The variants of the run's smallest function: `hello` if it has figures, else the function
/// that answers most requests per second, else the first by name.
fn headline(summary: &Summary) -> Vec<&Group> {
    let mut functions: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
    for group in &summary.groups {
        functions.entry(&group.function).or_default().push(group);
    }
    let rank = |groups: &[&Group]| {
        let executors = || groups.iter().flat_map(|group| &group.executors);
        let is_measured = executors().any(|one| Metric::ALL.iter().any(|metric| metric.of(one).is_some()));
        let rates = executors().flat_map(|one| one.named("load_rate")).map(|rate| rate.estimate.value);
        (is_measured, groups[0].function == "hello", rates.fold(0.0, f64::max))
    };
    let best = functions.into_values().rev().max_by(|one, other| {
        let (one, other) = (rank(one), rank(other));
        (one.0, one.1).cmp(&(other.0, other.1)).then(one.2.total_cmp(&other.2)).then(Ordering::Less)
    });
    best.unwrap_or_default()
}
