//! A table in Markdown.

use std::fmt::{self, Write as _};

use crate::tables::{Grid, Section};

/// Writes a section with its tables; those in detail are folded away.
pub(crate) fn section(out: &mut String, section: &Section) -> fmt::Result {
    writeln!(out, "## {}\n", section.title)?;
    section.grids.iter().try_for_each(|one| grid(out, one))
}

fn grid(out: &mut String, grid: &Grid) -> fmt::Result {
    if grid.is_detail {
        writeln!(out, "<details><summary>{}</summary>\n", grid.title)?;
    } else {
        writeln!(out, "### {}\n", grid.title)?;
    }
    table(out, grid)?;
    if !grid.note.is_empty() {
        writeln!(out, "{}\n", grid.note)?;
    }
    if grid.is_detail {
        writeln!(out, "</details>\n")?;
    }
    Ok(())
}

/// Names to the left, figures to the right.
pub(crate) fn table(out: &mut String, grid: &Grid) -> fmt::Result {
    row(out, &grid.head)?;
    let figures = grid.head.len() - grid.names;
    writeln!(out, "|{}{}", "---|".repeat(grid.names), "--:|".repeat(figures))?;
    for line in &grid.lines {
        row(out, line)?;
    }
    writeln!(out)
}

fn row(out: &mut String, cells: &[String]) -> fmt::Result {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(out, "| {} |", cells.join(" | "))
}
