//! A comparison as text.

use std::fmt::{self, Write as _};

use super::{Change, Compared, ComparedRun};
use crate::figures::Verdict;
use crate::render::markdown::table;
use crate::render::terminal;
use crate::tables::{Table, cells};
use crate::words;

/// As Markdown: the differences first, then the rest.
pub fn markdown(compared: &Compared) -> String {
    let mut out = String::new();
    write(&mut out, compared).expect("writing to a string cannot fail");
    out
}

fn write(out: &mut String, compared: &Compared) -> fmt::Result {
    writeln!(out, "# Compared with run {}\n", compared.base)?;
    for run in &compared.runs {
        writeln!(out, "## Run {}\n", run.id)?;
        for warning in &run.warnings {
            writeln!(out, "> **The code may not be the only difference:** {warning}\n")?;
        }
        writeln!(
            out,
            "{}. A ratio is the later run's figure divided by the earlier one's. Brackets hold 95 % confidence intervals.\n",
            words::capital(&run.tally().corrected())
        )?;
        let differing = lines(run, |change| change.comparison.is_difference());
        if differing.is_empty() {
            writeln!(out, "No difference was seen.\n")?;
        } else {
            table::bare(out, &of_lines("differences", differing))?;
        }
        let others = lines(run, |change| !change.comparison.is_difference());
        if !others.is_empty() {
            writeln!(out, "<details><summary>Figures without a visible difference</summary>\n")?;
            table::bare(out, &of_lines("equals", others))?;
            writeln!(out, "</details>\n")?;
        }
    }
    Ok(())
}

/// The differences as a table for a terminal, at most `width` columns wide if that is given.
pub fn table(compared: &Compared, width: Option<u16>) -> String {
    let mut out = String::new();
    write_table(&mut out, compared, width).expect("writing to a string cannot fail");
    out
}

fn write_table(out: &mut String, compared: &Compared, width: Option<u16>) -> fmt::Result {
    for run in &compared.runs {
        let differing = lines(run, |change| change.comparison.is_difference());
        writeln!(out, "{} against {}: {}", run.id, compared.base, run.tally().corrected())?;
        run.warnings.iter().try_for_each(|warning| writeln!(out, "warning: {warning}"))?;
        if !differing.is_empty() {
            writeln!(out, "{}", terminal::of_table(&of_lines("differences", differing), width))?;
        }
    }
    Ok(())
}

fn of_lines(name: &'static str, lines: Vec<Vec<String>>) -> Table {
    let head = ["function", "executor", "figure", "before", "after", "ratio", "verdict"];
    Table { name, head: head.map(Into::into).to_vec(), names: 3, lines, ..Table::default() }
}

/// The wanted changes, the worse ones first.
fn lines(run: &ComparedRun, is_wanted: fn(&Change) -> bool) -> Vec<Vec<String>> {
    let mut changes: Vec<&Change> = run.changes.iter().filter(|change| is_wanted(change)).collect();
    changes.sort_by_key(|change| change.comparison.verdict != Verdict::Worse);
    changes.iter().map(|change| line(change)).collect()
}

fn line(change: &Change) -> Vec<String> {
    let settings = change.after.settings.to_string();
    vec![
        format!("{} {}", change.function, change.variant),
        change.executor.clone(),
        [change.after.name.as_str(), &settings].join(" ").trim().to_owned(),
        cells::figure(Some(&change.before)),
        cells::figure(Some(&change.after)),
        cells::ratio(change.comparison.ratio),
        cells::verdict(&change.comparison),
    ]
}
