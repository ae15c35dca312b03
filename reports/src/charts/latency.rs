//! Latency by percentile.

use super::load::of;
use super::{Axis, AxisUnit, Chart, Index, Line, Point, Window, lines, over, panels, windows};
use crate::rows::row::LATENCIES;

/// Where the maximum stands on the axis of percentiles, which has no end: a bit right
/// of p99.9.
pub(crate) const MAXIMUM: f64 = 4_000.0;

/// The closed loop with the fewest connections: what an answer takes while nothing
/// waits.
pub(crate) fn closed(index: &Index<'_>, reuse: &str) -> Option<(Chart, u64)> {
    let all = |group| (0..index.models.len()).flat_map(move |model| of(group, model, "load", reuse));
    let fewest = index.groups.iter().flat_map(all).filter_map(|row| row.connections).min()?;
    let panels = panels(index, |group| {
        let models = 0..index.models.len();
        let curve = |model| {
            let loads = windows(&of(group, model, "load", reuse), |row| row.connections);
            Some(line(model, curve(loads.get(&fewest)?, "latency")))
        };
        models.filter_map(curve).filter(|line| !line.points.is_empty()).collect()
    });
    Some((lines(percentiles(), latency(), panels)?, fewest))
}

/// The open loop at the load nearest to `percent` of what the closed one reached: from
/// the intended moment of sending, and dashed from the real one.
pub(crate) fn open(index: &Index<'_>, reuse: &str, percent: u64) -> Option<(Chart, u64)> {
    let all = |group| (0..index.models.len()).flat_map(move |model| of(group, model, "open", reuse));
    let loads = index.groups.iter().flat_map(all).filter_map(|row| row.load_percent);
    let nearest = loads.min_by_key(|load| load.abs_diff(percent))?;
    let panels = panels(index, |group| {
        let curves = |model| {
            let loads = windows(&of(group, model, "open", reuse), |row| row.load_percent);
            let Some(windows) = loads.get(&nearest) else { return Vec::new() };
            let intended = Line { name: "intended".into(), ..line(model, curve(windows, "latency")) };
            let real = Line { name: "real".into(), dashed: true, ..line(model, curve(windows, "service")) };
            vec![intended, real]
        };
        (0..index.models.len()).flat_map(curves).filter(|line| !line.points.is_empty()).collect()
    });
    Some((lines(percentiles(), latency(), panels)?, nearest))
}

fn percentiles() -> Axis {
    Axis::log("percentile", AxisUnit::Percentile)
}

fn latency() -> Axis {
    Axis::log("latency", AxisUnit::Duration)
}

fn line(model: usize, points: Vec<Point>) -> Line {
    Line { model: Some(model), name: String::new(), dashed: false, points, fit: Vec::new(), note: None }
}

fn curve(windows: &[Window<'_>], kind: &str) -> Vec<Point> {
    let point = |(name, quantile): &(&str, f64)| {
        let metric = format!("{kind}_{name}_ns");
        let latency = over(windows, |window| window.get(&metric))?;
        let x = if *quantile < 1.0 { 1.0 / (1.0 - quantile) } else { MAXIMUM };
        Some(Point { x, y: latency.value, samples: latency.samples, saturated: false })
    };
    LATENCIES.iter().filter_map(point).collect()
}
