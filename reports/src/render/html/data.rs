//! The numbers of a chart, as text and as a table.

use std::collections::BTreeSet;

use super::figure::{items, spots};
use crate::charts::{Axis, AxisUnit, Bar, Chart, DotRow, Executor, Line, Mark, Panel};
use crate::statistics::Ratio;
use crate::tables::{NONE, Table, cells, head};

/// The number of samples behind each mark.
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
            Chart::Marks { panels, .. } => spots(panels).map(|spot| spot.samples).collect(),
        }
    });
    let counts: BTreeSet<usize> = counts.collect();
    let samples = match (counts.first(), counts.last()) {
        (Some(1), Some(1)) => "Each mark is one sample.".into(),
        (Some(least), Some(most)) if least == most => format!("Each mark stands for {least} samples."),
        (Some(least), Some(most)) => format!("Each mark stands for {least} to {most} samples."),
        _ => return String::new(),
    };
    if charts.iter().any(has_intervals) {
        format!("{samples} Its bar is an interval of 95 %, where that is wider than the mark.")
    } else {
        samples
    }
}

fn has_intervals(chart: &Chart) -> bool {
    let Chart::Dots { panels, .. } = chart else { return false };
    items(panels).flat_map(|row| &row.dots).any(|dot| dot.interval.is_some())
}

/// The table of a chart.
pub(super) fn table(chart: &Chart, executors: &[Executor]) -> Table {
    match chart {
        Chart::Lines { x, y, panels } => lines_grid(x, y, panels, executors),
        Chart::Bars { panels, .. } => bars_grid(panels, executors),
        Chart::Dots { x, panels } => dots_grid(x, panels, executors),
        Chart::Marks { x, y, size, panels } => marks_grid([x, y, size], panels, executors),
    }
}

fn marks_grid(axes: [&Axis; 3], panels: &[Panel<Mark>], executors: &[Executor]) -> Table {
    let [x, y, size] = axes;
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().filter_map(move |mark| {
            let spot = mark.spot.as_ref().ok()?;
            Some(vec![
                panel.title.clone(),
                executors[mark.executor].name.clone(),
                x.unit.show(spot.x),
                y.unit.show(spot.y),
                size.unit.show(spot.size),
                spot.samples.to_string(),
            ])
        })
    });
    let head = head(&["panel", "executor", &x.title, &y.title, &size.title, "samples"]);
    Table { head, names: 2, lines: lines.collect(), ..Table::default() }
}

fn lines_grid(x: &Axis, y: &Axis, panels: &[Panel<Line>], executors: &[Executor]) -> Table {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |line| {
            line.points.iter().map(move |point| {
                let name = line.executor.map_or("host", |executor| executors[executor].name.as_str());
                let mark = if point.saturated { " (could not keep up)" } else { "" };
                vec![
                    panel.title.clone(),
                    format!("{name} {}{mark}", line.name).trim().to_owned(),
                    x.unit.show(point.x),
                    y.unit.show(point.y),
                    point.samples.to_string(),
                ]
            })
        })
    });
    let head = head(&["panel", "executor", &x.title, &y.title, "samples"]);
    Table { head, names: 2, lines: lines.collect(), ..Table::default() }
}

fn bars_grid(panels: &[Panel<Bar>], executors: &[Executor]) -> Table {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |bar| {
            bar.parts.iter().map(move |part| {
                let name = &executors[bar.executor].name;
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
    let head = head(&["panel", "executor", "part", "duration", "samples"]);
    Table { head, names: 3, lines: lines.collect(), ..Table::default() }
}

/// The table of dots, with a column for each executor.
fn dots_grid(x: &Axis, panels: &[Panel<DotRow>], executors: &[Executor]) -> Table {
    let shown: BTreeSet<usize> = items(panels).flat_map(|row| &row.dots).map(|dot| dot.executor).collect();
    let value = |row: &DotRow, executor: usize| {
        let dot = row.dots.iter().find(|dot| dot.executor == executor);
        dot.map_or_else(
            || NONE.into(),
            |dot| match x.unit {
                AxisUnit::Ratio => cells::ratio(Ratio { value: dot.value, interval: dot.interval }),
                unit => cells::with_interval(dot.value, dot.interval, |value| unit.show(value)),
            },
        )
    };
    let lines = panels.iter().flat_map(|panel| {
        let shown = &shown;
        panel.items.iter().map(move |row| {
            let names = [panel.title.clone(), row.name.clone()];
            names.into_iter().chain(shown.iter().map(|executor| value(row, *executor))).collect::<Vec<_>>()
        })
    });
    let names = shown.iter().map(|executor| executors[*executor].name.clone());
    let mut table = Table {
        head: head(&["panel", "line"]).into_iter().chain(names).collect(),
        names: 2,
        lines: lines.collect(),
        ..Table::default()
    };
    // One panel is named once, above.
    if let [panel] = panels {
        table.title.clone_from(&panel.title);
        table.names = 1;
        table.head.remove(0);
        table.lines.iter_mut().for_each(|line| drop(line.remove(0)));
    }
    table
}
