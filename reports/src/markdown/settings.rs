//! How a run was made: enough to make it again.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use crate::Run;

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    writeln!(out, "## Settings and versions\n")?;
    writeln!(out, "```sh\n{}\n```\n", run.command.join(" "))?;
    writeln!(out, "Order of the cells shuffled with seed {}. Ended {}.\n", run.seed, ended(run))?;
    writeln!(out, "| executor | model | all settings | versions |\n|---|---|---|---|")?;
    for executor in &run.executors {
        let versions: Vec<_> =
            executor.versions.iter().map(|(part, version)| format!("{part} {version}")).collect();
        writeln!(
            out,
            "| `{}` | {} | `{}` | {} |",
            executor.name,
            executor.model,
            executor.spec,
            versions.join(", ")
        )?;
    }
    writeln!(out)?;
    for note in &run.notes {
        writeln!(out, "- {note}")?;
    }
    table(out, "Amounts", &run.preset)?;
    table(out, "Machine", &run.machine)?;
    table(out, "Build", &run.build)
}

fn ended(run: &Run) -> &str {
    run.ended.as_deref().unwrap_or("not yet")
}

fn table(out: &mut String, title: &str, facts: &Map<String, Value>) -> fmt::Result {
    writeln!(out, "\n### {title}\n\n| | |\n|---|---|")?;
    for (name, value) in facts {
        writeln!(out, "| {} | {} |", name.replace('_', " "), plain(value))?;
    }
    writeln!(out)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "not known".into(),
        Value::String(text) => text.replace('|', "\\|"),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(facts) => {
            let fact =
                |(name, value): (&String, &Value)| format!("{} {}", name.replace('_', " "), plain(value));
            facts.iter().map(fact).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}
