//! Experiments that go to an edge: bursts and density.

use super::load::of;
use super::{Axis, AxisUnit, Chart, Group, Index, Line, Point, lines, median, panels};
use crate::rows::Row;
use crate::rows::row::Limit;

/// Time to the last answer against requests at once, from idle: dashed for all
/// policies but `fresh`.
pub(crate) fn burst(index: &Index<'_>) -> Option<Chart> {
    let reuses = index.reuses("burst");
    let panels = panels(index, |group| {
        let line = |model, reuse: &str| Line {
            name: reuse.into(),
            dashed: reuse != "fresh",
            ..line(model, &of(group, model, "burst", reuse), "duration_ns", |row| row.connections)
        };
        let models = 0..index.models.len();
        let lines = models.flat_map(|model| reuses.iter().map(move |reuse| line(model, reuse)));
        lines.filter(|line| !line.points.is_empty()).collect()
    });
    lines(
        Axis::log("requests at once", AxisUnit::Count),
        Axis::log("time to the last answer", AxisUnit::Duration),
        panels,
    )
}

/// Memory that is held against live instances, up to a limit.
pub(crate) fn density_memory(index: &Index<'_>) -> Option<Chart> {
    density(index, "held_bytes", Axis::log("memory held", AxisUnit::Bytes), true)
}

/// The 99th percentile of answers from all instances in turn, up to a limit.
pub(crate) fn density_latency(index: &Index<'_>) -> Option<Chart> {
    density(index, "latency_p99_ns", Axis::log("latency p99", AxisUnit::Duration), false)
}

fn density(index: &Index<'_>, metric: &str, y: Axis, with_end: bool) -> Option<Chart> {
    let panels = panels(index, |group| {
        let line = |model| Line {
            note: if with_end { end(group, model) } else { None },
            ..line(model, group.rows(model, "density"), metric, |row| row.live_instances)
        };
        (0..index.models.len()).map(line).filter(|line| !line.points.is_empty()).collect()
    });
    lines(Axis::log("live instances", AxisUnit::Count), y, panels)
}

fn end(group: &Group<'_>, model: usize) -> Option<String> {
    let ends = || group.rows(model, "density").iter().filter(|row| row.metric == "instances_count");
    let live = median(ends().copied(), "instances_count")?;
    let why = match ends().find_map(|row| row.limit) {
        Some(Limit::Memory) => ", then the bound of memory",
        Some(Limit::Latency) => ", then the bound of latency",
        Some(Limit::Instances) => ", all that were asked for",
        Some(Limit::Time) => ", then time was over",
        None => "",
    };
    Some(format!("{:.0} live{why}", live.value))
}

fn line(model: usize, rows: &[&Row], metric: &str, of: impl Fn(&Row) -> Option<u64>) -> Line {
    let mut at: Vec<u64> = rows.iter().filter(|row| row.metric == metric).filter_map(|row| of(row)).collect();
    at.sort_unstable();
    at.dedup();
    let point = |x: &u64| {
        let rows = rows.iter().copied().filter(|row| of(row) == Some(*x));
        let y = median(rows, metric)?;
        Some(Point { x: *x as f64, y: y.value, samples: y.samples, saturated: false })
    };
    // Nothing lies at zero on a logarithmic scale.
    let points = at.iter().filter(|x| **x > 0).filter_map(point).collect();
    Line { model: Some(model), name: String::new(), dashed: false, points, fit: Vec::new(), note: None }
}
