//! The cells without figures, and the settings of the run.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::rich;
use super::table;
use crate::rows::{ExecutorInfo, Run};
use crate::tables::{Table, head, left_out};
use crate::words::facts;

/// The cells without figures, grouped by reason.
pub(super) fn absent(run: &Run) -> Markup {
    let groups = facts::unmeasured(run, str::to_owned);
    html! {
        section #absent {
            h2 { "What was not measured" }
            @if groups.is_empty() { p.prose { "Every cell of the plan was measured." } }
            @else {
                ul.prose {
                    @for group in &groups {
                        li {
                            strong { (group.executor) } " " (rich(&group.why)) " "
                            span.note { "(" (group.cells.join(", ")) ")" }
                        }
                    }
                }
            }
        }
    }
}

/// The engines and features that no run has.
pub(super) fn left_out(run: &Run) -> Markup {
    html! {
        section #left-out {
            h2 { (left_out::TITLE) }
            div.wrapped { (table::bare(&left_out::table(run))) }
        }
    }
}

pub(super) fn settings(run: &Run) -> Markup {
    html! {
        section #settings {
            h2 { "Settings, machine and versions" }
            pre.scroll { code { (run.command.join(" ")) } }
            p.prose {
                "The order of the cells was shuffled with the seed " (run.seed) ". The run began " (run.started)
                @if let Some(ended) = &run.ended { " and ended " (ended) "." } @else { " and has not ended." }
            }
            @if !run.notes.is_empty() { ul.prose { @for note in &run.notes { li { (rich(note)) } } } }
            (table::titled(&executors(run)))
            (prices(run))
            div.facts-tables {
                (list("Amounts", &run.preset))
                (list("Machine", &run.machine))
                (list("Build", &run.build))
            }
        }
    }
}

fn executors(run: &Run) -> Table {
    let line = |executor: &ExecutorInfo| {
        let versions = facts::versions(&executor.versions);
        vec![executor.name.clone(), executor.model.clone(), executor.spec.clone(), versions]
    };
    Table {
        title: "Executors".into(),
        head: head(&["executor", "model", "all settings", "versions"]),
        names: 4,
        lines: run.executors.iter().map(line).collect(),
        note: String::new(),
        ..Table::default()
    }
}

fn prices(run: &Run) -> Markup {
    let prices = &run.prices;
    html! {
        @if prices.per_cpu_second > 0.0 || prices.per_gib_second > 0.0 { p.prose {
            "The cost model uses " (prices.per_cpu_second) " " (prices.currency) " for a second of processor time and "
            (prices.per_gib_second) " " (prices.currency) " for a GiB held for a second. Source: " (prices.source) "."
        } }
    }
}

fn list(title: &str, facts: &Map<String, Value>) -> Markup {
    html! {
        @if !facts.is_empty() {
            div {
                h4 { (title) }
                dl.facts-list {
                    @for (name, value) in facts { dt { (facts::name(name)) } dd { (facts::plain(value)) } }
                }
            }
        }
    }
}
