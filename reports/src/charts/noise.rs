//! The noise of the machine itself.

use super::{Axis, AxisUnit, Chart, Dot, Line, Panel, Point, dot_row, dots, lines};
use crate::figures::{Comparison, Figure, Group, Summary};
use crate::statistics::Ratio;
use crate::words;

/// The duration of a fixed loop in the course of the run, as a ratio to its median.
pub(crate) fn calibration(summary: &Summary) -> Option<Chart> {
    let host = summary.calibration.as_ref()?;
    let point = |(place, ns): (usize, &f64)| {
        let (x, y) = (place as f64, ns / host.median_ns);
        Point { x, y, samples: 1, saturated: false }
    };
    let line = Line {
        executor: None,
        name: "calibration".into(),
        dashed: false,
        points: host.blocks_ns.iter().enumerate().map(point).collect(),
        fit: Vec::new(),
        note: None,
    };
    lines(
        Axis::linear("calibrations, in order of time", AxisUnit::Count),
        Axis::linear("time of a fixed loop, to its median", AxisUnit::Ratio),
        vec![Panel { title: "The machine in the course of the run".into(), items: vec![line] }],
    )
}

/// The ratio of the second of two identical cells to the first: it shows noise only.
pub(crate) fn twins(summary: &Summary) -> Option<Chart> {
    let panel = |(title, name): (&str, &str)| {
        let row = |group: &Group| {
            dot_row(group, words::title(&group.function, &group.variant), |figures| {
                let (first, second, comparison) =
                    loudest(figures.pairs().filter(|(of, ..)| of.name == name))?;
                let Ratio { value, interval } = comparison.ratio;
                let samples = first.estimate.samples.min(second.estimate.samples);
                Some(Dot { executor: figures.place, value, interval, samples })
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
