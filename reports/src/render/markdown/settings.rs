//! The settings of a run: enough to repeat it.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

use crate::rows::Run;
use crate::words::facts;

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    writeln!(out, "## Settings and versions\n")?;
    writeln!(out, "```sh\n{}\n```\n", run.command.join(" "))?;
    writeln!(out, "The order of the cells was shuffled with the seed {}. {}\n", run.seed, ended(run))?;
    writeln!(out, "| executor | model | all settings | versions |\n|---|---|---|---|")?;
    for executor in &run.executors {
        writeln!(
            out,
            "| `{}` | {} | `{}` | {} |",
            executor.name,
            executor.model,
            executor.spec,
            facts::versions(&executor.versions)
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

fn ended(run: &Run) -> String {
    run.ended
        .as_ref()
        .map_or_else(|| "The run has not ended.".to_owned(), |time| format!("The run ended {time}."))
}

fn table(out: &mut String, title: &str, facts: &Map<String, Value>) -> fmt::Result {
    writeln!(out, "\n### {title}\n\n| | |\n|---|---|")?;
    for (name, value) in facts {
        // A bar would end the cell.
        let value = facts::plain(value).replace('|', "\\|");
        writeln!(out, "| {} | {value} |", facts::name(name))?;
    }
    writeln!(out)
}
