//! What the machine does by itself.

use super::{Axis, AxisUnit, Chart, Dot, Index, Line, Panel, Point, dot_row, dots, lines, median};
use crate::figures::{self, Comparison, Figure, Summary};
use crate::rows::Row;
use crate::statistics::Ratio;
use crate::words;

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
        Axis::linear("calibrations, in order of time", AxisUnit::Count),
        Axis::linear("time of a fixed loop, to its median", AxisUnit::Ratio),
        vec![Panel { title: "The machine in the course of the run".into(), items: vec![line] }],
    )
}

/// Each figure of a second, identical cell to that of the first: all of it is noise.
pub(crate) fn twins(summary: &Summary) -> Option<Chart> {
    let panel = |(title, name): (&str, &str)| {
        let row = |group: &figures::Group| {
            dot_row(summary, group, words::title(&group.function, &group.variant), |model, figures| {
                let (first, second, comparison) =
                    loudest(figures.pairs().filter(|(of, ..)| of.name == name))?;
                let Ratio { value, interval } = comparison.ratio;
                let samples = first.estimate.samples.min(second.estimate.samples);
                Some(Dot { model, value, interval, samples })
            })
        };
        let rows = summary.groups.iter().map(row).filter(|row| !row.dots.is_empty());
        Panel { title: title.into(), items: rows.collect::<Vec<_>>() }
    };
    let panels = FIGURES.into_iter().map(panel).filter(|panel| !panel.items.is_empty());
    dots(Axis::linear("second to first of two identical cells", AxisUnit::Ratio), panels.collect())
}

const FIGURES: [(&str, &str); 3] = [
    ("start, median", "start_p50"),
    ("load, requests/s", "load_rate"),
    ("load, latency p99", "load_latency_p99"),
];

type Pair<'a> = (&'a Figure, &'a Figure, Comparison);

/// Of warm instances, if there are any, with the most connections.
fn loudest<'a>(pairs: impl Iterator<Item = Pair<'a>>) -> Option<Pair<'a>> {
    pairs.max_by_key(|(figure, ..)| {
        (figure.settings.reuse.as_deref() == Some("warm"), figure.settings.connections)
    })
}
