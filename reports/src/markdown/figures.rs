//! The tables of one function and variant.

use std::fmt::{self, Write as _};

use crate::statistics::Estimate;
use crate::summary::{Figures, Group, Timing};
use crate::units;

/// What stands where there is no figure.
const NONE: &str = "–";

pub(super) fn write(out: &mut String, group: &Group) -> fmt::Result {
    writeln!(out, "## `{}`, variant `{}`\n", group.function, group.variant)?;
    startup(out, group)?;
    memory(out, group)?;
    throughput(out, group)?;
    every_load(out, group)
}

fn startup(out: &mut String, group: &Group) -> fmt::Result {
    let least = group.least(|model| model.start.map(|start| start.p50.median));
    row(
        out,
        &[
            "executor",
            "start p50",
            "ratio",
            "start p99",
            "first answer p50",
            "first answer p99",
            "warm answer p50",
            "prepare, nothing cached",
            "prepare, cached",
        ],
    )?;
    rule(out, 9)?;
    for model in &group.models {
        let median = |timing: Option<Timing>| estimate(timing.map(|timing| timing.p50), units::duration);
        let tail = |timing: Option<Timing>| value(timing.map(|timing| timing.p99), units::duration);
        row(
            out,
            &[
                &format!("`{}`", model.executor),
                &median(model.start),
                &ratio(model.start.map(|start| start.p50.median), least),
                &tail(model.start),
                &median(model.first_response),
                &tail(model.first_response),
                &median(model.warm_response),
                &value(model.prepare_made.map(|prepare| prepare.median), units::duration),
                &value(model.prepare_cached.map(|prepare| prepare.median), units::duration),
            ],
        )?;
    }
    writeln!(out)
}

fn memory(out: &mut String, group: &Group) -> fmt::Result {
    let per_instance = |model: &Figures| model.memory.map(|memory| memory.per_instance.median);
    let least = group.least(per_instance).filter(|bytes| *bytes > 0.0);
    row(
        out,
        &[
            "executor",
            "memory per live instance",
            "ratio",
            "with no instance",
            "live at most",
            "invoked before",
        ],
    )?;
    rule(out, 6)?;
    for model in &group.models {
        let memory = model.memory;
        row(
            out,
            &[
                &format!("`{}`", model.executor),
                &estimate(memory.map(|memory| memory.per_instance), units::bytes),
                &ratio(per_instance(model), least),
                &value(memory.map(|memory| memory.idle.median), units::bytes),
                &memory.map_or_else(|| NONE.into(), |memory| memory.most_live.to_string()),
                &memory.map_or_else(|| NONE.into(), |memory| format!("{}×", memory.invocations)),
            ],
        )?;
    }
    writeln!(out)
}

fn throughput(out: &mut String, group: &Group) -> fmt::Result {
    row(
        out,
        &[
            "executor",
            "reuse",
            "requests/s",
            "ratio",
            "connections",
            "latency p50",
            "latency p99",
            "CPU per request",
        ],
    )?;
    rule(out, 8)?;
    for reuse in reuses(group) {
        let greatest = group.greatest(|model| model.best_load(reuse).map(|load| load.rate.median));
        for (model, load) in group.models.iter().filter_map(|model| Some((model, model.best_load(reuse)?))) {
            row(
                out,
                &[
                    &format!("`{}`", model.executor),
                    reuse,
                    &estimate(Some(load.rate), units::rate),
                    &ratio(Some(load.rate.median), greatest),
                    &load.connections.to_string(),
                    &units::duration(load.p50),
                    &units::duration(load.p99),
                    &estimate(load.cpu_per_response, units::duration),
                ],
            )?;
        }
    }
    writeln!(out)
}

fn every_load(out: &mut String, group: &Group) -> fmt::Result {
    writeln!(out, "<details><summary>Every number of connections</summary>\n")?;
    row(
        out,
        &["executor", "reuse", "connections", "requests/s", "latency p50", "latency p99", "CPU per request"],
    )?;
    rule(out, 7)?;
    for model in &group.models {
        for load in &model.loads {
            row(
                out,
                &[
                    &format!("`{}`", model.executor),
                    &load.reuse,
                    &load.connections.to_string(),
                    &estimate(Some(load.rate), units::rate),
                    &units::duration(load.p50),
                    &units::duration(load.p99),
                    &estimate(load.cpu_per_response, units::duration),
                ],
            )?;
        }
    }
    writeln!(out, "\n</details>\n")
}

/// The reuse policies of a group, in the order in which the first model has them.
fn reuses(group: &Group) -> Vec<&str> {
    let mut reuses: Vec<&str> = Vec::new();
    for load in group.models.iter().flat_map(|model| &model.loads) {
        if !reuses.contains(&load.reuse.as_str()) {
            reuses.push(&load.reuse);
        }
    }
    reuses
}

fn estimate(estimate: Option<Estimate>, show: fn(f64) -> String) -> String {
    match estimate {
        None => NONE.into(),
        Some(estimate) if estimate.samples == 1 => show(estimate.median),
        Some(Estimate { median, low, high, .. }) => {
            format!("{} [{}, {}]", show(median), show(low), show(high))
        }
    }
}

fn value(value: Option<f64>, show: fn(f64) -> String) -> String {
    value.map_or_else(|| NONE.into(), show)
}

fn ratio(value: Option<f64>, best: Option<f64>) -> String {
    value.zip(best).map_or_else(|| NONE.into(), |(value, best)| units::ratio(value / best))
}

fn row(out: &mut String, cells: &[&str]) -> fmt::Result {
    writeln!(out, "| {} |", cells.join(" | "))
}

/// The line below a table's head: names to the left, figures to the right.
fn rule(out: &mut String, columns: usize) -> fmt::Result {
    writeln!(out, "|---|{}", "--:|".repeat(columns - 1))
}
