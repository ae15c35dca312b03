//! What was not measured, and how the rest was.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::table;
use super::words::rich;
use crate::grid::Grid;
use crate::{Run, Status};

/// The cells without figures, those with the same reason together.
pub(super) fn absent(run: &Run) -> Markup {
    let reasons = reasons(run);
    html! {
        section #absent {
            h2 { "What was not measured" }
            @if reasons.is_empty() { p.prose { "Every cell of the plan was measured." } }
            @else {
                ul.prose {
                    @for (executor, why, cells) in &reasons {
                        li { strong { (executor) } " " (rich(why)) " " span.note { "(" (cells.join(", ")) ")" } }
                    }
                }
            }
        }
    }
}

fn reasons(run: &Run) -> Vec<(&str, String, Vec<String>)> {
    let mut reasons: Vec<(&str, String, Vec<String>)> = Vec::new();
    for cell in &run.cells {
        let status = match cell.status {
            Status::Ok => continue,
            Status::Failed => "failed",
            Status::Unavailable => "unavailable",
            Status::Skipped => "skipped",
            Status::Pending => "not reached",
        };
        let executor = run.executors.iter().find(|executor| executor.spec == cell.executor);
        let executor = executor.map_or(cell.executor.as_str(), |executor| executor.name.as_str());
        let why = format!("{status}: {}", cell.reason.as_deref().unwrap_or("the run ended before"));
        let name = format!("{} {} {}", cell.function, cell.variant, cell.reuse);
        match reasons.iter_mut().find(|(known, reason, _)| *known == executor && *reason == why) {
            Some((_, _, cells)) => cells.push(name),
            None => reasons.push((executor, why, vec![name])),
        }
    }
    reasons
}

pub(super) fn settings(run: &Run) -> Markup {
    html! {
        section #settings {
            h2 { "Settings, machine and versions" }
            pre.scroll { code { (run.command.join(" ")) } }
            p.prose {
                "Order of the cells shuffled with seed " (run.seed) ". Begun " (run.started) ", ended "
                (run.ended.as_deref().unwrap_or("not yet")) "."
            }
            @if !run.notes.is_empty() { ul.prose { @for note in &run.notes { li { (rich(note)) } } } }
            (table::grid(&executors(run)))
            (prices(run))
            div.facts-tables {
                (facts("Amounts", &run.preset))
                (facts("Machine", &run.machine))
                (facts("Build", &run.build))
            }
        }
    }
}

fn executors(run: &Run) -> Grid {
    let line = |executor: &crate::ExecutorInfo| {
        let versions = executor.versions.iter().map(|(part, version)| format!("{part} {version}"));
        let versions = versions.collect::<Vec<_>>().join(", ");
        vec![executor.name.clone(), executor.model.clone(), executor.spec.clone(), versions]
    };
    Grid {
        title: "Executors".into(),
        head: ["executor", "model", "all settings", "versions"].map(Into::into).into(),
        names: 4,
        lines: run.executors.iter().map(line).collect(),
        note: String::new(),
        ..Grid::default()
    }
}

fn prices(run: &Run) -> Markup {
    let prices = &run.prices;
    html! {
        @if prices.per_cpu_second > 0.0 || prices.per_gib_second > 0.0 { p.prose {
            "Prices of the cost model: " (prices.per_cpu_second) " " (prices.currency) " for a second of processor time, "
            (prices.per_gib_second) " " (prices.currency) " for a GiB held for a second; from " (prices.source) "."
        } }
    }
}

fn facts(title: &str, facts: &Map<String, Value>) -> Markup {
    html! {
        @if !facts.is_empty() {
            div {
                h4 { (title) }
                dl.facts-list { @for (name, value) in facts { dt { (name.replace('_', " ")) } dd { (plain(value)) } } }
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "not known".into(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(facts) => {
            let fact =
                |(name, value): (&String, &Value)| format!("{} {}", name.replace('_', " "), plain(value));
            facts.iter().map(fact).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}
