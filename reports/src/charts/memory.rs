//! The host's memory against the number of live instances.

use super::{Axis, AxisUnit, Chart, Line, Point, lines, panels};
use crate::figures::{Figure, Figures, MEMORY_HELD, MEMORY_SLOPE, Settings, Summary};

/// Points on a fitted line: on a logarithmic scale a straight line is curved.
const FIT_POINTS: u32 = 24;

/// Every reading of memory against live instances, with the line of the tables' slope and
/// intercept.
pub(crate) fn growth(summary: &Summary) -> Option<Chart> {
    let panels = panels(summary, |figures| growth_of(figures).into_iter().collect());
    lines(
        Axis::log("live instances", AxisUnit::Count),
        Axis::log("memory of the host", AxisUnit::Bytes),
        panels,
    )
}

/// The readings after the count of invocations at which executors are compared, from one live instance on.
fn growth_of(figures: &Figures) -> Option<Line> {
    let held = || figures.named(MEMORY_HELD);
    let most = || held().map(|held| held.settings.invocations).max();
    let invocations = figures.invocations.map_or_else(most, |shared| Some(Some(shared)))?;
    let readings = held().filter(|held| held.settings.invocations == invocations);
    let points: Vec<Point> = readings.flat_map(points).collect();
    let most = points.iter().map(|point| point.x).reduce(f64::max)?;
    let settings = Settings { invocations, ..Settings::default() };
    let line = figures.figure(MEMORY_SLOPE, &settings).zip(figures.figure("memory_intercept", &settings));
    Some(Line {
        fit: line.map(|line| along(line, most)).unwrap_or_default(),
        note: line.map(|(slope, intercept)| {
            let [slope, intercept] = [slope, intercept].map(|figure| figure.show(figure.estimate.value));
            format!("{slope} each, from {intercept}")
        }),
        ..Line::of(figures, points)
    })
}

fn points(held: &Figure) -> Vec<Point> {
    let Some(live) = held.settings.live_instances.filter(|live| *live > 0) else { return Vec::new() };
    let point = |bytes| Point { x: live as f64, y: bytes, samples: 1, saturated: false };
    held.samples.iter().map(point).collect()
}

fn along((slope, intercept): (&Figure, &Figure), most: f64) -> Vec<(f64, f64)> {
    let (slope, intercept) = (slope.estimate.value, intercept.estimate.value);
    let at = |step: u32| most.powf(f64::from(step) / f64::from(FIT_POINTS));
    let points = (0..=FIT_POINTS).map(|step| (at(step), intercept + slope * at(step)));
    points.filter(|(_, bytes)| *bytes > 0.0).collect()
}
