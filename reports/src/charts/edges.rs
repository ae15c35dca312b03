//! Experiments that reach a limit: bursts and density.

use super::{Axis, AxisUnit, Chart, Line, Point, lines, panels, reuses};
use crate::figures::{DENSITY, Figure, Figures, Settings, Summary};
use crate::rows::row::Limit;

/// Time to the last response against requests at once, from idle; dashed for all policies
/// except `fresh`.
pub(crate) fn burst(summary: &Summary) -> Option<Chart> {
    let reuses = reuses(summary, "burst");
    let panels = panels(summary, |figures| {
        let line = |reuse: &String| {
            let bursts = figures.named("burst_duration");
            let bursts = bursts.filter(|burst| burst.settings.reuse.as_ref() == Some(reuse));
            let points = points(bursts, |settings| settings.connections);
            Line { name: reuse.clone(), dashed: reuse != "fresh", ..Line::of(figures, points) }
        };
        reuses.iter().map(line).filter(|line| !line.points.is_empty()).collect()
    });
    lines(
        Axis::log("requests at once", AxisUnit::Count),
        Axis::log("time to the last answer", AxisUnit::Duration),
        panels,
    )
}

/// Memory held against live instances, up to a limit.
pub(crate) fn density_memory(summary: &Summary) -> Option<Chart> {
    let y = Axis::log("memory held", AxisUnit::Bytes);
    density(summary, "density_held", y, end)
}

/// The 99th percentile of latency over all instances in turn, up to a limit.
pub(crate) fn density_latency(summary: &Summary) -> Option<Chart> {
    density(summary, "density_latency_p99", Axis::log("latency p99", AxisUnit::Duration), |_| None)
}

fn density(
    summary: &Summary,
    figure: &str,
    y: Axis,
    note: impl Fn(&Figures) -> Option<String>,
) -> Option<Chart> {
    let panels = panels(summary, |figures| {
        let points = points(figures.named(figure), |settings| settings.live_instances);
        let line = Line { note: note(figures), ..Line::of(figures, points) };
        Some(line).filter(|line| !line.points.is_empty()).into_iter().collect()
    });
    lines(Axis::log("live instances", AxisUnit::Count), y, panels)
}

/// The number of live instances in the end, and the limit that ended it.
fn end(figures: &Figures) -> Option<String> {
    let live = figures.figure(DENSITY, &Settings::default())?;
    let why = figures.limits.iter().map(|limit| match limit {
        Limit::Memory => "then the bound of memory",
        Limit::Latency => "then the bound of latency",
        Limit::Instances => "all that were asked for",
        Limit::Time => "then time was over",
        Limit::Refused => "then a start failed",
    });
    let parts: Vec<&str> = why.collect();
    let live = live.show(live.estimate.value);
    Some(if parts.is_empty() {
        format!("{live} live")
    } else {
        format!("{live} live, {}", parts.join(" or "))
    })
}

fn points<'a>(figures: impl Iterator<Item = &'a Figure>, x: impl Fn(&Settings) -> Option<u64>) -> Vec<Point> {
    // A logarithmic scale has no zero.
    let x = |figure: &Figure| x(&figure.settings).filter(|x| *x > 0);
    figures.filter_map(|figure| Some(Point::of(x(figure)? as f64, figure))).collect()
}
