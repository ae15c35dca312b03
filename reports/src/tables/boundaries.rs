//! The boundaries side by side: what each confines, and what it costs.

use super::cells::{figure, value};
use super::memory::after;
use super::{NONE, Section, Table, code};
use crate::figures::{Figures, Group, Outcome, Summary};
use crate::rows::row::Attempt;
use crate::words;

/// The section on boundaries. The costs are those of the headline function.
pub(super) fn section(summary: &Summary) -> Section {
    let costs = summary.headline().into_iter().map(costs);
    let tables = std::iter::once(confinement(summary)).chain(costs);
    Section {
        title: "Boundaries".into(),
        lead: String::new(),
        tables: tables.filter(|table| !table.lines.is_empty()).collect(),
    }
}

const ATTEMPTS: &str = "The function `attempts` tried each of these from within, once. `yes` means that the host saw \
the effect, or that the answer had a secret of the host in it; the guest's word alone does not count. The file is one \
that every user of the host may read, the neighbour is a process of the user `nobody`, and the port is on loopback. A \
guest without an interface for an attempt cannot make it, which counts as `no`.";

/// One line for each executor and variant whose guests tried.
fn confinement(summary: &Summary) -> Table {
    let mut lines = Vec::new();
    let mut note = ATTEMPTS.to_owned();
    for group in &summary.groups {
        for executor in group.executors.iter().filter(|executor| !executor.confinement.is_empty()) {
            let names = [code(executor), group.variant.clone()];
            lines.push(names.into_iter().chain(outcomes(executor)).collect());
            note.push_str(&failures(group, executor));
        }
    }
    Table {
        name: "confinement",
        title: "What each boundary confines".into(),
        head: super::head(&["executor", "variant"]).into_iter().chain(titles()).collect(),
        names: 2,
        lines,
        note,
        is_detail: false,
    }
}

fn titles() -> impl Iterator<Item = String> {
    Attempt::ALL.into_iter().map(|attempt| attempt.title().to_owned())
}

/// The outcome of each attempt, in one word.
fn outcomes(executor: &Figures) -> impl Iterator<Item = String> {
    Attempt::ALL.into_iter().map(|attempt| {
        let word = match executor.confinement.get(&attempt) {
            Some(Outcome::Succeeded) => "yes",
            Some(Outcome::Prevented) => "no",
            Some(Outcome::Failed(_)) => "failed",
            None => NONE,
        };
        word.to_owned()
    })
}

/// A sentence for each reason for which attempts could not be made.
fn failures(group: &Group, executor: &Figures) -> String {
    let mut reasons: Vec<&String> = Vec::new();
    for outcome in executor.confinement.values() {
        if let Outcome::Failed(reason) = outcome
            && !reasons.contains(&reason)
        {
            reasons.push(reason);
        }
    }
    let sentence = |reason: &&String| {
        let reason = words::one_line(reason);
        format!(" {} (`{}`) failed: {}.", code(executor), group.variant, reason.trim_end_matches('.'))
    };
    reasons.iter().map(sentence).collect()
}

/// The costs of the boundaries of one variant, and the attempts that they confine: the numbers of the chart.
fn costs(group: &Group) -> Table {
    let has_attempts = group.executors.iter().any(|executor| !executor.confinement.is_empty());
    let line = |executor: &Figures| {
        let warm = executor.best_rate("warm");
        let cpu = warm.and_then(|rate| executor.figure("load_cpu", &rate.settings));
        let costs =
            [code(executor), figure(executor.start()), value(executor.memory()), value(warm), value(cpu)];
        let outcomes = outcomes(executor).filter(|_| has_attempts);
        costs.into_iter().chain(outcomes).collect::<Vec<String>>()
    };
    let memory = after("memory per live instance", &[group]);
    let head = ["executor", "start p50", &memory, "requests/s, warm", "CPU per request, warm"];
    let has_figures = |line: &Vec<String>| line[1..].iter().any(|cell| cell != NONE);
    Table {
        name: "boundaries",
        title: format!("The cost of each boundary: {}", super::title(group)),
        head: super::head(&head).into_iter().chain(titles().filter(|_| has_attempts)).collect(),
        names: 1,
        lines: group.executors.iter().map(line).filter(has_figures).collect(),
        note: "Requests per second are those at the number of connections with the highest rate, and the CPU time is \
               that of one of these requests."
            .into(),
        is_detail: false,
    }
}
