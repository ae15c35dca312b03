//! What is drawn, in figures.

use std::collections::BTreeSet;

use super::figure::items;
use crate::curves::{Axis, Bar, Chart, DotRow, Index, Line, Panel};
use crate::grid::Grid;

/// How many samples are behind each mark.
pub(super) fn samples(charts: &[Chart]) -> String {
    let counts = charts.iter().flat_map(|chart| -> Vec<usize> {
        match chart {
            Chart::Lines { panels, .. } => {
                items(panels).flat_map(|line| &line.points).map(|point| point.samples).collect()
            }
            Chart::Bars { panels, .. } => {
                items(panels).flat_map(|bar| &bar.parts).map(|part| part.samples).collect()
            }
            Chart::Dots { panels, .. } => {
                items(panels).flat_map(|row| &row.dots).map(|dot| dot.samples).collect()
            }
        }
    });
    let counts: BTreeSet<usize> = counts.collect();
    match (counts.first(), counts.last()) {
        (Some(1), Some(1)) => "Each mark is one sample.".into(),
        (Some(least), Some(most)) if least == most => format!("Each mark is of {least} samples."),
        (Some(least), Some(most)) => format!("Each mark is of {least} to {most} samples."),
        _ => String::new(),
    }
}

/// The table of a chart.
pub(super) fn grid(chart: &Chart, index: &Index<'_>) -> Grid {
    match chart {
        Chart::Lines { x, y, panels } => lines_grid(x, y, panels, index),
        Chart::Bars { panels, .. } => bars_grid(panels, index),
        Chart::Dots { x, panels } => dots_grid(x, panels, index),
    }
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn lines_grid(x: &Axis, y: &Axis, panels: &[Panel<Line>], index: &Index<'_>) -> Grid {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |line| {
            line.points.iter().map(move |point| {
                let name = line.model.map_or("host", |model| index.models[model].name.as_str());
                let mark = if point.saturated { " (could not keep up)" } else { "" };
                vec![
                    panel.title.clone(),
                    format!("{name} {}{mark}", line.name).trim().to_owned(),
                    x.quantity.show(point.x),
                    y.quantity.show(point.y),
                    point.samples.to_string(),
                ]
            })
        })
    });
    let head = head(&["of", "executor", &x.title, &y.title, "samples"]);
    Grid { head, names: 2, lines: lines.collect(), ..Grid::default() }
}

fn bars_grid(panels: &[Panel<Bar>], index: &Index<'_>) -> Grid {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |bar| {
            bar.parts.iter().map(move |part| {
                let name = &index.models[bar.model].name;
                vec![
                    panel.title.clone(),
                    name.clone(),
                    part.name.clone(),
                    part.value.clone(),
                    part.samples.to_string(),
                ]
            })
        })
    });
    let head = head(&["of", "executor", "part", "its own length", "samples"]);
    Grid { head, names: 3, lines: lines.collect(), ..Grid::default() }
}

fn dots_grid(x: &Axis, panels: &[Panel<DotRow>], index: &Index<'_>) -> Grid {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |row| {
            row.dots.iter().map(move |dot| {
                let name = &index.models[dot.model].name;
                vec![
                    panel.title.clone(),
                    row.name.clone(),
                    name.clone(),
                    x.quantity.show(dot.value),
                    dot.samples.to_string(),
                ]
            })
        })
    });
    let head = head(&["of", "line", "executor", "median", "samples"]);
    Grid { head, names: 3, lines: lines.collect(), ..Grid::default() }
}
