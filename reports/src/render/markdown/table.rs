//! A table in Markdown.

use std::fmt::{self, Write as _};

use crate::tables::{Section, Table};

/// Writes a section with its tables; the detailed ones are folded away.
pub(crate) fn section(out: &mut String, section: &Section) -> fmt::Result {
    writeln!(out, "## {}\n", section.title)?;
    if !section.lead.is_empty() {
        writeln!(out, "{}\n", section.lead)?;
    }
    section.tables.iter().try_for_each(|one| titled(out, one))
}

fn titled(out: &mut String, table: &Table) -> fmt::Result {
    if table.is_detail {
        writeln!(out, "<details><summary>{}</summary>\n", table.title)?;
    } else {
        writeln!(out, "### {}\n", table.title)?;
    }
    bare(out, table)?;
    if !table.note.is_empty() {
        writeln!(out, "{}\n", table.note)?;
    }
    if table.is_detail {
        writeln!(out, "</details>\n")?;
    }
    Ok(())
}

/// Writes a table with names aligned to the left and figures to the right.
pub(crate) fn bare(out: &mut String, table: &Table) -> fmt::Result {
    row(out, &table.head)?;
    let figures = table.head.len() - table.names;
    writeln!(out, "|{}{}", "---|".repeat(table.names), "--:|".repeat(figures))?;
    for line in &table.lines {
        row(out, line)?;
    }
    writeln!(out)
}

fn row(out: &mut String, cells: &[String]) -> fmt::Result {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(out, "| {} |", cells.join(" | "))
}
