//! Throughput and latency against connections and offered rates.

use super::{Axis, AxisUnit, Chart, Line, Panel, Point, lines, panels};
use crate::figures::{Figure, Figures, Summary};

/// The figure that a line shows, the line's name, and whether the line is dashed.
type Drawn = (&'static str, &'static str, bool);

/// Correct responses per second against connections, in a closed loop.
pub(crate) fn throughput(summary: &Summary, reuse: &str) -> Option<Chart> {
    let panels = closed(summary, reuse, &[("load_rate", "", false)]);
    lines(connections(), Axis::log("requests/s", AxisUnit::Rate), panels)
}

/// Latency against connections, in a closed loop: p99, and dashed p50.
pub(crate) fn closed_latency(summary: &Summary, reuse: &str) -> Option<Chart> {
    let drawn = [("load_latency_p99", "p99", false), ("load_latency_p50", "p50", true)];
    lines(connections(), Axis::log("latency", AxisUnit::Duration), closed(summary, reuse, &drawn))
}

/// Latency from the intended moment of sending against the offered rate, in an open
/// loop: p99, and dashed p50.
pub(crate) fn open_latency(summary: &Summary, reuse: &str) -> Option<Chart> {
    let drawn = [("open_latency_p99", "p99", false), ("open_latency_p50", "p50", true)];
    let y = Axis::log("latency from the intended moment", AxisUnit::Duration);
    lines(offered(), y, open(summary, reuse, &drawn))
}

/// Correct responses per second against the offered rate.
pub(crate) fn achieved(summary: &Summary, reuse: &str) -> Option<Chart> {
    let panels = open(summary, reuse, &[("open_rate", "", false)]);
    lines(offered(), Axis::log("answered requests/s", AxisUnit::Rate), panels)
}

fn connections() -> Axis {
    Axis::log("connections", AxisUnit::Count)
}

fn offered() -> Axis {
    Axis::log("offered requests/s", AxisUnit::Rate)
}

fn closed(summary: &Summary, reuse: &str, drawn: &[Drawn]) -> Vec<Panel<Line>> {
    of_each(summary, reuse, drawn, |_, figure| Some(Point::of(figure.settings.connections? as f64, figure)))
}

fn open(summary: &Summary, reuse: &str, drawn: &[Drawn]) -> Vec<Panel<Line>> {
    of_each(summary, reuse, drawn, |figures, figure| {
        let offered = figures.figure("open_offered", &figure.settings)?.estimate.value;
        Some(Point { saturated: is_saturated(figures, figure), ..Point::of(offered, figure) })
    })
}

fn of_each(
    summary: &Summary,
    reuse: &str,
    drawn: &[Drawn],
    point: impl Fn(&Figures, &Figure) -> Option<Point>,
) -> Vec<Panel<Line>> {
    panels(summary, |figures| {
        let line = |(figure, name, dashed): &Drawn| {
            let of_policy =
                figures.named(figure).filter(|load| load.settings.reuse.as_deref() == Some(reuse));
            let points = of_policy.filter_map(|load| point(figures, load)).collect();
            Line { name: (*name).into(), dashed: *dashed, ..Line::of(figures, points) }
        };
        drawn.iter().map(line).filter(|line| !line.points.is_empty()).collect()
    })
}

/// Whether a repetition of this load could not keep up.
fn is_saturated(figures: &Figures, load: &Figure) -> bool {
    let saturated = figures.figure("open_saturated", &load.settings);
    saturated.is_some_and(|saturated| saturated.estimate.value > 0.0)
}
