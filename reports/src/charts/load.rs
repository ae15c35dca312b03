//! Throughput and latency against what is asked for.

use std::collections::BTreeMap;

use super::{
    Axis, AxisUnit, Chart, Group, Index, Line, Panel, Point, Sampled, Window, lines, over, panels, windows,
};
use crate::rows::Row;

/// Less than this part of what was offered is answered: the server cannot keep up.
pub(crate) const KEEPS_UP: f64 = 0.95;

/// Right answers in a second against connections, in a closed loop.
pub(crate) fn throughput(index: &Index<'_>, reuse: &str) -> Option<Chart> {
    let panels = closed(index, reuse, |windows| vec![("", false, over(windows, Window::rate))]);
    lines(connections(), Axis::log("requests/s", AxisUnit::Rate), panels)
}

/// Latency against connections, in a closed loop: p99, and dashed p50.
pub(crate) fn closed_latency(index: &Index<'_>, reuse: &str) -> Option<Chart> {
    let panels = closed(index, reuse, latencies);
    lines(connections(), Axis::log("latency", AxisUnit::Duration), panels)
}

/// Latency from the intended moment of sending against the offered rate, in an open
/// loop: p99, and dashed p50.
pub(crate) fn open_latency(index: &Index<'_>, reuse: &str) -> Option<Chart> {
    open(index, reuse, Axis::log("latency from the intended moment", AxisUnit::Duration), latencies)
}

/// Right answers in a second against the offered rate.
pub(crate) fn achieved(index: &Index<'_>, reuse: &str) -> Option<Chart> {
    let rate = |windows: &[Window<'_>]| vec![("", false, over(windows, Window::rate))];
    open(index, reuse, Axis::log("answered requests/s", AxisUnit::Rate), rate)
}

/// The highest rate of an executor in a closed loop.
pub(crate) fn best(group: &Group<'_>, model: usize, reuse: &str) -> Option<(u64, Sampled)> {
    let rates = windows(&of(group, model, "load", reuse), |row| row.connections);
    let rates = rates.into_iter().filter_map(|(load, windows)| Some((load, over(&windows, Window::rate)?)));
    rates.max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value))
}

/// The rows of a phase under one reuse policy.
pub(super) fn of<'a>(group: &Group<'a>, model: usize, phase: &str, reuse: &str) -> Vec<&'a Row> {
    let rows = group.rows(model, phase).iter().copied();
    rows.filter(|row| row.reuse.as_deref() == Some(reuse)).collect()
}

fn connections() -> Axis {
    Axis::log("connections", AxisUnit::Count)
}

/// Curves at one load: their names, whether dashed, and their values.
type Figures = Vec<(&'static str, bool, Option<Sampled>)>;

fn latencies(windows: &[Window<'_>]) -> Figures {
    vec![
        ("p99", false, over(windows, |window| window.get("latency_p99_ns"))),
        ("p50", true, over(windows, |window| window.get("latency_p50_ns"))),
    ]
}

fn closed(index: &Index<'_>, reuse: &str, figures: impl Fn(&[Window<'_>]) -> Figures) -> Vec<Panel<Line>> {
    panels(index, |group| {
        let loads = |model| windows(&of(group, model, "load", reuse), |row| row.connections);
        let curve = |model| curves(model, loads(model), |load| Some(load as f64), |_| false, &figures);
        (0..index.models.len()).flat_map(curve).collect()
    })
}

fn open(
    index: &Index<'_>,
    reuse: &str,
    y: Axis,
    figures: impl Fn(&[Window<'_>]) -> Figures,
) -> Option<Chart> {
    let panels = panels(index, |group| {
        let curve = |model| {
            let rows = of(group, model, "open", reuse);
            let rate = |load| {
                let rows = rows.iter().filter(|row| load_of(row) == Some(load));
                let rates: Vec<_> = rows.filter_map(|row| row.rate_per_s).map(|rate| rate as f64).collect();
                Some(Sampled::of(&rates)?.value)
            };
            curves(model, windows(&rows, load_of), rate, is_saturated, &figures)
        };
        (0..index.models.len()).flat_map(curve).collect()
    });
    lines(Axis::log("offered requests/s", AxisUnit::Rate), y, panels)
}

/// What makes windows of several repetitions those of one load: the part of its capacity,
/// which each repetition measures anew, so that the rates themselves differ.
fn load_of(row: &Row) -> Option<u64> {
    row.load_percent.or(row.rate_per_s)
}

fn is_saturated(windows: &[Window<'_>]) -> bool {
    let sum = |metric| windows.iter().filter_map(|window| window.get(metric)).sum::<f64>();
    sum("dropped_count") > 0.0 || sum("responses_count") < KEEPS_UP * sum("offered_count")
}

fn curves(
    model: usize,
    loads: BTreeMap<u64, Vec<Window<'_>>>,
    x: impl Fn(u64) -> Option<f64>,
    saturated: impl Fn(&[Window<'_>]) -> bool,
    figures: &impl Fn(&[Window<'_>]) -> Figures,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (load, windows) in loads {
        let Some(x) = x(load) else { continue };
        for (name, dashed, value) in figures(&windows) {
            let Some(Sampled { value, samples }) = value else { continue };
            let point = Point { x, y: value, samples, saturated: saturated(&windows) };
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    model: Some(model),
                    name: name.into(),
                    dashed,
                    points: vec![point],
                    fit: Vec::new(),
                    note: None,
                }),
            }
        }
    }
    lines
}
