//! A run as a table for a terminal.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::summary::Figures;
use crate::{Summary, units};

/// A line below the head and no other, so that the lines can be cut and sorted.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

const HEAD: [&str; 9] = [
    "function",
    "executor",
    "start p50",
    "start p99",
    "memory/instance",
    "fresh req/s",
    "warm req/s",
    "warm p99",
    "warm CPU/req",
];

/// Renders a run, one line for each function, variant and executor; at most `width`
/// columns wide, if that is given.
pub fn render(summary: &Summary, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(HEAD);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for group in &summary.groups {
        for model in &group.models {
            table.add_row(line(&format!("{} {}", group.function, group.variant), model));
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn line(name: &str, model: &Figures) -> [String; 9] {
    let show = |figure: Option<f64>, unit: fn(f64) -> String| figure.map_or_else(|| "–".into(), unit);
    let warm = model.best_load("warm");
    [
        name.to_owned(),
        model.executor.clone(),
        show(model.start.map(|start| start.p50.median), units::duration),
        show(model.start.map(|start| start.p99), units::duration),
        show(model.memory.map(|memory| memory.per_instance.median), units::bytes),
        show(model.best_load("fresh").map(|load| load.rate.median), units::rate),
        show(warm.map(|load| load.rate.median), units::rate),
        show(warm.map(|load| load.p99), units::duration),
        show(warm.and_then(|load| load.cpu_per_response).map(|cpu| cpu.median), units::duration),
    ]
}
