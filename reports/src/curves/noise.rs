//! What the machine does by itself.

use crate::Row;
use crate::curves::{
    Axis, Chart, Dot, DotRow, Group, Index, Line, Panel, Point, Quantity, Sampled, Window, dots, lines,
    median, over, windows,
};

/// A fixed loop's time in the course of the run, as a ratio to its median.
pub(crate) fn calibration(index: &Index<'_>) -> Option<Chart> {
    let mut rows: Vec<_> =
        index.host.iter().filter(|row| row.phase == "calibration" && row.metric == "duration_ns").collect();
    rows.sort_by_key(|row| (row.repetition, row.sample));
    let middle = median(rows.iter().map(|row| **row), "duration_ns")?.value;
    if middle <= 0.0 {
        return None;
    }
    let point = |(place, row): (usize, &&&Row)| Point {
        x: place as f64,
        y: row.value as f64 / middle,
        samples: 1,
        saturated: false,
    };
    let line = Line {
        model: None,
        name: "calibration".into(),
        dashed: false,
        points: rows.iter().enumerate().map(point).collect(),
        fit: Vec::new(),
        note: None,
    };
    lines(
        Axis::linear("calibrations, in order of time", Quantity::Count),
        Axis::linear("time of a fixed loop, to its median", Quantity::Ratio),
        vec![Panel { title: "The machine in the course of the run".into(), items: vec![line] }],
    )
}

/// Each figure of a second, identical cell to that of the first: all of it is noise.
pub(crate) fn twins(index: &Index<'_>) -> Option<Chart> {
    let mut panels: Vec<Panel<DotRow>> = Vec::new();
    for (name, figure) in FIGURES {
        let row = |group: &Group<'_>| {
            let dot = |model| {
                let (first, second) =
                    (figure(group.rows(model, phase(name)))?, figure(group.twins(model, phase(name)))?);
                let samples = first.samples.min(second.samples);
                Some(Dot { model, value: second.value / first.value, samples })
                    .filter(|dot| dot.value.is_finite())
            };
            DotRow { name: group.title(), dots: (0..index.models.len()).filter_map(dot).collect() }
        };
        let items: Vec<_> = index.groups.iter().map(row).filter(|row| !row.dots.is_empty()).collect();
        if !items.is_empty() {
            panels.push(Panel { title: name.into(), items });
        }
    }
    dots(Axis::linear("second to first of two identical cells", Quantity::Ratio), panels)
}

type Figure = fn(&[&Row]) -> Option<Sampled>;

const FIGURES: [(&str, Figure); 3] = [
    ("start, median", |rows| median(rows.iter().copied(), "duration_ns")),
    ("load, requests/s", |rows| over(&best(rows), Window::rate)),
    ("load, latency p99", |rows| over(&best(rows), |window| window.get("latency_p99_ns"))),
];

fn phase(name: &str) -> &str {
    name.split_once(',').map_or(name, |(phase, _)| phase)
}

/// The windows of the load with the most connections.
fn best<'a>(rows: &[&'a Row]) -> Vec<Window<'a>> {
    windows(rows, |row| row.connections).pop_last().map(|(_, windows)| windows).unwrap_or_default()
}
