//! A run as Markdown that can be pasted into an article.

mod figures;
mod settings;

use std::fmt::{self, Write as _};

use crate::{RunStatus, Status, Summary};

/// Renders a run.
pub fn render(summary: &Summary) -> String {
    let mut out = String::new();
    write(&mut out, summary).expect("writing to a string cannot fail");
    out
}

fn write(out: &mut String, summary: &Summary) -> fmt::Result {
    let run = &summary.run;
    writeln!(out, "# What isolation cost: run {}\n", run.id)?;
    if let Some(warning) = warning(run.status) {
        writeln!(out, "> **{warning}**\n")?;
    }
    writeln!(
        out,
        "One function, {} executors, one HTTP front end; begun {}. Every model was given the same \
         request and had to answer the same bytes before and while it was measured. \
         Only rows of one table may be compared: the variants differ in language.\n",
        run.executors.len(),
        run.started
    )?;
    for group in &summary.groups {
        figures::write(out, group)?;
    }
    absent(out, summary)?;
    settings::write(out, run)?;
    out.push_str(LIMITS);
    Ok(())
}

fn warning(status: RunStatus) -> Option<&'static str> {
    match status {
        RunStatus::Complete => None,
        RunStatus::Running => {
            Some("This run has not ended: it is still going on, or its process was killed.")
        }
        RunStatus::Interrupted => Some("This run was interrupted: not every cell was measured."),
        RunStatus::Failed => Some("This run failed before its end: not every cell was measured."),
    }
}

/// The cells without figures, those with the same reason in one line.
fn absent(out: &mut String, summary: &Summary) -> fmt::Result {
    writeln!(out, "## What was not measured\n")?;
    let mut lines: Vec<(String, Vec<String>)> = Vec::new();
    for cell in summary.cells_without_figures() {
        let status = match cell.status {
            Status::Ok => continue,
            Status::Failed => "failed",
            Status::Unavailable => "unavailable",
            Status::Skipped => "skipped",
            Status::Pending => "not reached",
        };
        let reason = cell.reason.as_deref().unwrap_or("the run ended before");
        let line = format!("`{}` {status}: {}", summary.short_name(&cell.executor), one_line(reason));
        let name = format!("{} {} {}", cell.function, cell.variant, cell.reuse);
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, cells)) => cells.push(name),
            None => lines.push((line, vec![name])),
        }
    }
    if lines.is_empty() {
        writeln!(out, "Every cell of the plan was measured.\n")?;
        return Ok(());
    }
    for (line, cells) in lines {
        writeln!(out, "- {line} ({})", cells.join(", "))?;
    }
    writeln!(out)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const LIMITS: &str = "\
## What the numbers do not say

- They hold for this machine, these versions and these settings; ratios travel further than figures.
- Intervals in brackets are 95 % confidence intervals of the median, distribution-free; of fewer than six \
samples they are the range. They speak of the noise within this run, not of another machine.
- `start` ends when the instance can answer. What an image registry, a scheduler or a network would add is \
not in it, and images, snapshots and compiled code are on the local disk already.
- Memory is what the host pays for one more live instance: proportional set size of the server, control \
group without inactive file pages, and the helper processes of a container. Memory that the kernel shares \
or keeps for itself beyond that is not seen.
- Load is a closed loop: under overload it waits for the server, and so hides what a queue of users would \
have suffered.
- Speed says nothing about how strong the wall is. `direct` has none at all and is no model to choose; it \
is there to show what the front end itself costs.
";
