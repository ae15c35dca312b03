//! Compares runs cell by cell.

mod render;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use render::{markdown, table};

use crate::figures::{Comparison, ComparisonTally, Figure, Summary, Unit, Verdict};
use crate::rows::{ExecutorInfo, Run};
use crate::statistics::discoveries;
use crate::words::facts;

/// Every later run compared with the first.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The id of the first run.
    pub base: String,
    /// The later runs, in the given order.
    pub runs: Vec<ComparedRun>,
}

/// One run compared with the first.
#[derive(Clone, Debug)]
pub struct ComparedRun {
    /// The run's id.
    pub id: String,
    /// Differences between the runs other than the figures. They may explain a change.
    pub warnings: Vec<String>,
    /// By what factor the host took longer for its calibration loop than in the first run; 1 if a
    /// run did not watch it.
    pub host: f64,
    /// Every headline figure that both runs have.
    pub changes: Vec<Change>,
}

/// One figure in both runs.
#[derive(Clone, Debug)]
pub struct Change {
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The executor in short form, as the later run has it.
    pub executor: String,
    /// The executor spec with all its settings.
    pub spec: String,
    /// The figure of the first run.
    pub before: Figure,
    /// The figure of the later run.
    pub after: Figure,
    /// The later figure compared with the first.
    pub comparison: Comparison,
}

/// The reason why runs cannot be compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Nothing to compare with.
    #[error("a comparison needs two runs or more, but got {0}")]
    TooFew(usize),
    /// A run has another schema version.
    #[error("run {id} has schema version {found}, and the others {expected}")]
    Schema {
        /// The run's id.
        id: String,
        /// Its version.
        found: u32,
        /// That of the first run.
        expected: u32,
    },
    /// Two runs share no cell.
    #[error(
        "runs {base} and {other} have no cell in common: no executor spec, function and variant has \
             the same figure in both"
    )]
    NoCommonCells {
        /// The first run.
        base: String,
        /// The other.
        other: String,
    },
}

/// Compares the headline figures of all later runs with the first.
///
/// # Errors
/// If there are fewer than two runs, their versions differ, or they share no cell.
pub fn compare(summaries: &[Summary]) -> Result<Compared, CompareError> {
    let [base, others @ ..] = summaries else { return Err(CompareError::TooFew(0)) };
    if others.is_empty() {
        return Err(CompareError::TooFew(1));
    }
    let runs = others.iter().map(|other| against(base, other)).collect::<Result<_, _>>()?;
    Ok(Compared { base: base.run.id.clone(), runs })
}

fn against(base: &Summary, other: &Summary) -> Result<ComparedRun, CompareError> {
    let (expected, found) = (base.run.schema, other.run.schema);
    if expected != found {
        return Err(CompareError::Schema { id: other.run.id.clone(), found, expected });
    }
    let changes = changes(base, other);
    if changes.is_empty() {
        return Err(CompareError::NoCommonCells { base: base.run.id.clone(), other: other.run.id.clone() });
    }
    Ok(ComparedRun {
        id: other.run.id.clone(),
        warnings: warnings(base, other),
        host: host(base, other),
        changes,
    })
}

/// By what factor the later run's host took longer for the calibration loop.
fn host(base: &Summary, other: &Summary) -> f64 {
    let medians = base.calibration.as_ref().zip(other.calibration.as_ref());
    medians.map_or(1.0, |(base, other)| other.median_ns / base.median_ns)
}

/// Whether two runs mean the same executor by a short spec and one with all settings. An older
/// run lacks the settings that the lab has got since: there the short specs decide, because they
/// show whatever is not the default.
fn is_same([name_before, before]: [&str; 2], [name, after]: [&str; 2]) -> bool {
    let settings = |spec: &str| -> BTreeMap<String, String> {
        let pairs = spec.split_once(':').map_or("", |(_, settings)| settings).split(',');
        pairs.filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
    };
    if before == after {
        return true;
    }
    let (old, new) = (settings(before), settings(after));
    let agree = |(key, value): (&String, &String)| new.get(key).is_none_or(|other| other == value);
    name_before == name && old.len() != new.len() && old.iter().all(agree)
}

fn changes(base: &Summary, other: &Summary) -> Vec<Change> {
    let mut changes = Vec::new();
    for group in &other.groups {
        let same_group = |before: &&crate::figures::Group| {
            before.function == group.function && before.variant == group.variant
        };
        let Some(group_before) = base.groups.iter().find(same_group) else { continue };
        for executor in &group.executors {
            let Some(before) = group_before
                .executors
                .iter()
                .find(|before| is_same([&before.name, &before.spec], [&executor.name, &executor.spec]))
            else {
                continue;
            };
            changes.extend(executor.figures.iter().filter(|figure| figure.is_headline()).filter_map(
                |after| {
                    let before = before.figure(&after.name, &after.settings)?;
                    Some(Change {
                        function: group.function.clone(),
                        variant: group.variant.clone(),
                        executor: executor.name.clone(),
                        spec: executor.spec.clone(),
                        before: before.clone(),
                        after: after.clone(),
                        comparison: Comparison::of(after, before)?,
                    })
                },
            ));
        }
    }
    let judged = changes.iter().filter(|change| change.comparison.verdict != Verdict::Unknown);
    let level = discoveries::level(judged.filter_map(|change| change.comparison.chance()));
    for change in &mut changes {
        change.comparison = change.comparison.at(level);
    }
    changes
}

impl Compared {
    /// The figures that are worse in any later run by more than `smallest`, as a part of the earlier
    /// value.
    ///
    /// A figure counts if chance hardly explains it: not as no change, but as a change by
    /// `smallest`, times what the host itself became slower if the figure is a time or a rate.
    /// The chances are corrected for their number ([`discoveries`]). A figure that is worse by just
    /// `smallest` therefore passes, and so does identical code on another day.
    pub fn worse(&self, smallest: f64) -> impl Iterator<Item = &Change> {
        self.runs.iter().flat_map(move |run| run.worse(smallest))
    }

    /// Whether any figure is worse, as [`Self::worse`] defines it.
    pub fn is_worse(&self, smallest: f64) -> bool {
        self.worse(smallest).next().is_some()
    }
}

impl ComparedRun {
    fn worse(&self, smallest: f64) -> Vec<&Change> {
        let chance = |change: &Change| change.comparison.chance_of_worse(self.bound(change, smallest));
        let chances: Vec<(&Change, f64)> =
            self.changes.iter().filter_map(|change| Some((change, chance(change)?))).collect();
        let level = discoveries::level(chances.iter().map(|(_, chance)| *chance));
        chances.into_iter().filter(|(_, chance)| *chance <= level).map(|(change, _)| change).collect()
    }

    /// The factor by which a figure may be worse.
    fn bound(&self, change: &Change, smallest: f64) -> f64 {
        let figure = &change.after;
        let is_timed = matches!(figure.unit, Unit::Nanoseconds | Unit::PerSecond);
        let host = if is_timed { self.host.max(1.0) } else { 1.0 };
        // A rate that falls by a part p is worse by the factor 1 / (1 − p).
        let factor = if figure.is_less_better() { 1.0 + smallest } else { (1.0 - smallest).max(0.0).recip() };
        host * factor
    }
}

impl ComparedRun {
    /// The number of comparisons and differences.
    pub fn tally(&self) -> ComparisonTally {
        let mut tally = ComparisonTally::default();
        self.changes.iter().for_each(|change| tally.add(&change.comparison));
        tally
    }
}

/// All differences between two runs other than the figures.
fn warnings(base: &Summary, other: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    facts(&mut warnings, "machine", &base.run.machine, &other.run.machine);
    facts(&mut warnings, "build", &base.run.build, &other.run.build);
    facts(&mut warnings, "amounts", &base.run.preset, &other.run.preset);
    versions(&mut warnings, &base.run, &other.run);
    for summary in [base, other] {
        let id = &summary.run.id;
        warnings.extend(summary.host_warnings().map(|warning| format!("run {id}: {warning}")));
    }
    if base.run.prices != other.run.prices {
        warnings.push("prices differ".to_owned());
    }
    warnings
}

fn facts(warnings: &mut Vec<String>, what: &str, base: &Map<String, Value>, other: &Map<String, Value>) {
    let mut names: Vec<&String> = base.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    let show = |value: Option<&Value>| value.map_or_else(|| "not known".to_owned(), Value::to_string);
    for name in names.into_iter().filter(|name| base.get(*name) != other.get(*name)) {
        let (before, after) = (show(base.get(name)), show(other.get(name)));
        warnings.push(format!("{what}: {} was {before} and is {after}", facts::name(name)));
    }
}

fn versions(warnings: &mut Vec<String>, base: &Run, other: &Run) {
    for executor in &other.executors {
        let same =
            |before: &&ExecutorInfo| is_same([&before.name, &before.spec], [&executor.name, &executor.spec]);
        let Some(before) = base.executors.iter().find(same) else { continue };
        if before.versions != executor.versions {
            let (before, after) = (facts::versions(&before.versions), facts::versions(&executor.versions));
            warnings.push(format!("`{}` was {before} and is {after}", executor.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executor_is_the_same_before_and_after_it_got_a_setting() {
        let same = |before, after| is_same(before, after);
        assert!(same(["v8", "v8:snapshot=on"], ["v8", "v8:snapshot=on"]));
        assert!(same(["v8", "v8:snapshot=on"], ["v8", "v8:snapshot=on,stack=tuned"]));
        assert!(same(["direct", "direct"], ["direct", "direct:target=baseline"]));
        assert!(!same(["v8", "v8:snapshot=on"], ["v8:stack=default", "v8:snapshot=on,stack=default"]));
        assert!(!same(["v8", "v8:snapshot=on"], ["v8", "v8:snapshot=off,stack=tuned"]));
        assert!(!same(["v8", "v8:snapshot=on"], ["v8", "v8:snapshot=off"]));
    }
}
