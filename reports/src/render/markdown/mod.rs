//! A run as Markdown that can be pasted into an article.

mod settings;
pub(crate) mod table;

use std::fmt::{self, Write as _};

use crate::figures::{ComparisonTally, Summary};
use crate::rows::Run;
use crate::tables;
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
        writeln!(out, "> **The host: {warning}**\n")?;
    }
    writeln!(
        out,
        "One function, {} executors, one HTTP front end; begun {}. Every model was given the same \
         request and had to answer the same bytes before and while it was measured. \
         Only rows of one table may be compared: the variants differ in language.\n",
        run.executors.len(),
        run.started
    )?;
    certainty(out, summary)?;
    for section in tables::sections(summary) {
        table::section(out, &section)?;
    }
    absent(out, run)?;
    settings::write(out, run)?;
    writeln!(out, "## What the numbers do not say\n")?;
    for limit in LIMITS {
        writeln!(out, "- {limit}")?;
    }
    Ok(())
}

/// How to read verdicts, and how many differences chance alone would show.
fn certainty(out: &mut String, summary: &Summary) -> fmt::Result {
    if summary.repetitions < 2 {
        return writeln!(
            out,
            "Brackets hold 95 % confidence intervals. There was one repetition: they only know the noise \
             within one server process, and another process may differ by more. So there are ratios and no \
             verdicts; two repetitions or more are needed for those.\n"
        );
    }
    let pairs = match tables::tally_of_pairs(summary) {
        ComparisonTally { comparisons: 0, .. } => {
            "No cell was measured twice, so what noise alone does is not known.".to_owned()
        }
        tally => format!("Identical cells were compared too (A/A): {tally}."),
    };
    writeln!(
        out,
        "Brackets hold 95 % confidence intervals. A verdict other than \"no significant difference\" means \
         that the interval of the ratio does not hold 1. There were {} repetitions, each in a new server \
         process. The overviews make {}: verdicts are not corrected for their number. {pairs}\n",
        summary.repetitions,
        tables::tally(summary)
    )
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
