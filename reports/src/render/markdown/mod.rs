//! A run as Markdown that can be pasted into an article.

mod settings;
pub(crate) mod table;

use std::fmt::{self, Write as _};

use crate::conclusion::{self, Conclusion};
use crate::figures::Summary;
use crate::render::reading;
use crate::rows::Run;
use crate::tables::{self, left_out};
use crate::words::limits::LIMITS;
use crate::words::{self, facts};

/// Renders a run.
pub fn render(summary: &Summary) -> String {
    let mut out = String::new();
    write(&mut out, summary).expect("writing to a string cannot fail");
    out
}

fn write(out: &mut String, summary: &Summary) -> fmt::Result {
    let run = &summary.run;
    writeln!(out, "# What isolation cost: run {}\n", run.id)?;
    if let Some(warning) = facts::warning(run.status) {
        writeln!(out, "> **{warning}**\n")?;
    }
    for warning in summary.host_warnings() {
        let warning = words::sentence(&warning);
        writeln!(out, "> **{warning}**\n")?;
    }
    conclusion(out, summary)?;
    writeln!(out, "## How to read this report\n\n{}\n", reading::subject(summary))?;
    writeln!(out, "{}\n", reading::certainty(summary))?;
    for section in tables::sections(summary) {
        table::section(out, &section)?;
    }
    absent(out, run)?;
    writeln!(out, "## {}\n", left_out::TITLE)?;
    table::bare(out, &left_out::table(run))?;
    settings::write(out, run)?;
    writeln!(out, "## What these numbers do not say\n")?;
    for limit in LIMITS {
        writeln!(out, "- {limit}")?;
    }
    Ok(())
}

/// Five sentences and one table.
fn conclusion(out: &mut String, summary: &Summary) -> fmt::Result {
    writeln!(out, "## Conclusion\n")?;
    for sentence in &Conclusion::of(summary).sentences {
        writeln!(out, "- **{}.** {sentence}", sentence.subject.title())?;
    }
    writeln!(out)?;
    let Some(table) = conclusion::table(summary) else { return Ok(()) };
    writeln!(out, "{}\n", conclusion::key(summary))?;
    table::bare(out, &table)
}

/// The cells without figures, one line for each reason.
fn absent(out: &mut String, run: &Run) -> fmt::Result {
    writeln!(out, "## What was not measured\n")?;
    let groups = facts::unmeasured(run, words::one_line);
    if groups.is_empty() {
        writeln!(out, "Every cell of the plan was measured.\n")?;
        return Ok(());
    }
    for group in groups {
        writeln!(out, "- `{}` {} ({})", group.executor, group.why, group.cells.join(", "))?;
    }
    writeln!(out)
}
