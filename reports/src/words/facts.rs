//! A run's facts besides its figures, as text: its settings, machine and versions, and the
//! cells that were not measured.

use serde_json::Value;

use crate::rows::{Run, RunStatus, Status};

/// A number of things, such as `1 function` or `4 functions`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// The readable form of a fact's name in `run.json`.
pub(crate) fn name(name: &str) -> String {
    name.replace('_', " ")
}

/// A fact's value, not escaped.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "not known".into(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(facts) => {
            let facts = facts.iter().map(|(fact, value)| format!("{} {}", name(fact), plain(value)));
            facts.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// The versions of an executor's parts.
pub(crate) fn versions(versions: &[(String, String)]) -> String {
    versions.iter().map(|(part, version)| format!("{part} {version}")).collect::<Vec<_>>().join(", ")
}

/// Cells of one executor that have no figures for the same reason.
#[derive(Clone, Debug)]
pub(crate) struct Unmeasured<'a> {
    /// The executor, in short form.
    pub(crate) executor: &'a str,
    /// The outcome of the cells, and the reason.
    pub(crate) why: String,
    /// The cells, by function, variant and reuse policy.
    pub(crate) cells: Vec<String>,
}

/// The cells without figures, in the order of the plan, grouped by executor and reason.
/// `worded` formats a reason.
pub(crate) fn unmeasured(run: &Run, worded: impl Fn(&str) -> String) -> Vec<Unmeasured<'_>> {
    let mut groups: Vec<Unmeasured<'_>> = Vec::new();
    for cell in &run.cells {
        let status = match cell.status {
            Status::Ok => continue,
            Status::Failed => "failed",
            Status::Unavailable => "unavailable",
            Status::Skipped => "skipped",
            Status::Pending => "not reached",
        };
        let executor = run.short_name(&cell.executor);
        let why = format!(
            "{status}: {}",
            worded(cell.reason.as_deref().unwrap_or("the run ended before this cell"))
        );
        let name = format!("{} {} {}", cell.function, cell.variant, cell.reuse);
        match groups.iter_mut().find(|group| group.executor == executor && group.why == why) {
            Some(group) => group.cells.push(name),
            None => groups.push(Unmeasured { executor, why, cells: vec![name] }),
        }
    }
    groups
}

/// A warning for readers, if the run did not complete.
pub(crate) fn warning(status: RunStatus) -> Option<&'static str> {
    match status {
        RunStatus::Complete => None,
        RunStatus::Running => Some("This run has not ended: it still runs, or its process was killed."),
        RunStatus::Interrupted => Some("This run was interrupted: not every cell was measured."),
        RunStatus::Failed => Some("This run failed before its end: not every cell was measured."),
    }
}
