//! A run for a terminal: its conclusion and one table.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};

use crate::conclusion::{Conclusion, Sentence};
use crate::figures::{Figures, Settings, Summary};
use crate::tables::Table;
use crate::tables::cells::value;

/// A rule below the head only, so that the lines can be cut and sorted.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

const HEAD: [&str; 9] = [
    "function",
    "executor",
    "start p50",
    "start p99",
    "memory each",
    "fresh req/s",
    "warm req/s",
    "warm p99",
    "warm CPU/req",
];

/// Renders a run, one line for each function, variant and executor, at most `width` columns
/// wide if that is given.
pub fn render(summary: &Summary, width: Option<u16>) -> String {
    let mut lines = Vec::new();
    for group in &summary.groups {
        for executor in &group.executors {
            lines.push(line(&format!("{} {}", group.function, group.variant), executor).to_vec());
        }
    }
    let head = HEAD.map(Into::into).to_vec();
    let table = of_table(&Table { name: "run", head, names: 2, lines, ..Table::default() }, width);
    format!("{}\n\n{table}", conclusion(summary, width))
}

/// The sentences with what each is about at the left.
fn conclusion(summary: &Summary, width: Option<u16>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(TableStyle::new());
    // A terminal has no code font, so backticks would only be noise.
    let line = |one: &Sentence| [one.subject.title().to_owned(), one.short().replace('`', "")];
    table.add_rows(Conclusion::of(summary).sentences.iter().map(line));
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.trim_fmt()
}

/// Any table for a terminal.
pub(crate) fn of_table(content: &Table, width: Option<u16>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(STYLE).set_header(&content.head).add_rows(&content.lines);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for column in table.column_iter_mut().skip(content.names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The memory of an instance, and after how many invocations.
fn memory(executor: &Figures) -> String {
    let memory = executor.memory();
    let after = memory.and_then(|memory| memory.settings.invocations);
    after.map_or_else(|| value(memory), |count| format!("{} after {count}×", value(memory)))
}

fn line(name: &str, executor: &Figures) -> [String; 9] {
    let plain = |name| executor.figure(name, &Settings::default());
    let warm = executor.best_rate("warm");
    let beside = |name| warm.and_then(|rate| executor.figure(name, &rate.settings));
    [
        name.to_owned(),
        executor.name.clone(),
        value(plain("start_p50")),
        value(plain("start_p99")),
        memory(executor),
        value(executor.best_rate("fresh")),
        value(warm),
        value(beside("load_latency_p99")),
        value(beside("load_cpu")),
    ]
}
