//! The head of the page, its title and its warnings.

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::rich;
use crate::figures::Summary;
use crate::rows::Run;
use crate::words::{self, facts};

/// Forbids all requests; the browser of every reader enforces it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

pub(super) fn meta(run: &Run, style: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            title { "What isolation cost: run " (run.id) }
            // The sheet is a file of this crate, not input.
            style { (PreEscaped(style)) }
        }
    }
}

pub(super) fn header(run: &Run) -> Markup {
    html! {
        header {
            div {
                p.kicker { "isolab · run " (run.id) }
                h1 { "What isolation cost" }
                p.facts { @for fact in facts(run) { span { (fact) } } }
            }
            (themes())
        }
    }
}

/// A switch without a script: the sheet selects by the checked button.
fn themes() -> Markup {
    html! {
        fieldset.theme {
            legend { "Theme" }
            @for (id, name) in [("theme-auto", "Auto"), ("theme-light", "Light"), ("theme-dark", "Dark")] {
                input type="radio" name="theme" id=(id) checked[id == "theme-auto"];
                label for=(id) { (name) }
            }
        }
    }
}

fn facts(run: &Run) -> Vec<String> {
    let mut facts = vec![run.started.clone()];
    if let Some(preset) = run.preset.get("name").and_then(Value::as_str) {
        facts.push(format!("preset {preset}"));
    }
    facts
        .extend(["cpu", "kernel"].iter().filter_map(|name| run.machine.get(*name)?.as_str().map(Into::into)));
    facts.push(format!("seed {}", run.seed));
    facts
}

/// Warnings that a reader needs before any number.
pub(super) fn banner(summary: &Summary) -> Markup {
    let mut warnings = summary.host_warnings().peekable();
    html! {
        @if let Some(status) = facts::warning(summary.run.status) { p.banner role="note" { strong { (status) } } }
        @if warnings.peek().is_some() {
            div.banner role="note" {
                strong { "The machine was not quiet during this run." }
                @for warning in warnings { " " (rich(&words::sentence(&warning))) }
            }
        }
    }
}
