//! Latency by percentile.

use super::{Axis, AxisUnit, Chart, Line, Point, lines, of_phase, panels};
use crate::figures::{Figures, Settings, Summary};
use crate::rows::row::LATENCIES;

/// The place of the maximum on the axis of percentiles, which has no end: somewhat right of
/// p99.9.
pub(crate) const MAXIMUM: f64 = 4_000.0;

/// The closed loop with the fewest connections: the latency while no request waits for
/// another.
pub(crate) fn closed(summary: &Summary, reuse: &str) -> Option<(Chart, u64)> {
    let loads = of_phase(summary, "load").filter(|settings| settings.reuse.as_deref() == Some(reuse));
    let fewest = loads.filter_map(|settings| settings.connections).min()?;
    let settings = Settings { connections: Some(fewest), ..Settings::reuse(reuse) };
    let panels = panels(summary, |figures| {
        let line = Line::of(figures, points(figures, "load_latency", &settings));
        some(vec![line])
    });
    Some((lines(percentiles(), latency(), panels)?, fewest))
}

/// The open loop at the load nearest to `percent` of the closed loop's highest rate: solid
/// from the intended moment of sending, dashed from the real one.
pub(crate) fn open(summary: &Summary, reuse: &str, percent: u64) -> Option<(Chart, u64)> {
    let loads = of_phase(summary, "open").filter(|settings| settings.reuse.as_deref() == Some(reuse));
    let loads = loads.filter_map(|settings| settings.load_percent);
    let nearest = loads.min_by_key(|load| load.abs_diff(percent))?;
    let settings = Settings { load_percent: Some(nearest), ..Settings::reuse(reuse) };
    let panels = panels(summary, |figures| {
        let intended = Line::of(figures, points(figures, "open_latency", &settings));
        let real = Line::of(figures, points(figures, "open_service", &settings));
        some(vec![
            Line { name: "intended".into(), ..intended },
            Line { name: "real".into(), dashed: true, ..real },
        ])
    });
    Some((lines(percentiles(), latency(), panels)?, nearest))
}

fn percentiles() -> Axis {
    Axis::log("percentile", AxisUnit::Percentile)
}

fn latency() -> Axis {
    Axis::log("latency", AxisUnit::Duration)
}

fn some(lines: Vec<Line>) -> Vec<Line> {
    lines.into_iter().filter(|line| !line.points.is_empty()).collect()
}

fn points(figures: &Figures, subject: &str, settings: &Settings) -> Vec<Point> {
    let point = |(name, quantile): &(&str, f64)| {
        let latency = figures.figure(&format!("{subject}_{name}"), settings)?;
        let x = if *quantile < 1.0 { 1.0 / (1.0 - quantile) } else { MAXIMUM };
        Some(Point::of(x, latency))
    };
    LATENCIES.iter().filter_map(point).collect()
}
