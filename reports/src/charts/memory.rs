//! What the host holds against the number of live instances.

use std::collections::BTreeMap;

use super::{Axis, AxisUnit, Chart, Group, Index, Line, Point, lines, panels};
use crate::statistics::line;
use crate::words::units;

/// Metrics that together are the host's cost; `private_bytes` is part of the first and
/// `model_bytes` what the engine believes.
const COST: [&str; 3] = ["pss_bytes", "cgroup_bytes", "helpers_pss_bytes"];

/// Points on a fitted line, which is none on a logarithmic scale.
const FIT_POINTS: u32 = 24;

/// Bytes against live instances, with the mean of the least-squares lines of all
/// repetitions.
pub(crate) fn growth(index: &Index<'_>) -> Option<Chart> {
    let panels =
        panels(index, |group| (0..index.models.len()).filter_map(|model| growth_of(group, model)).collect());
    lines(
        Axis::log("live instances", AxisUnit::Count),
        Axis::log("memory of the host", AxisUnit::Bytes),
        panels,
    )
}

fn growth_of(group: &Group<'_>, model: usize) -> Option<Line> {
    let curves = curves(group, model);
    let points: Vec<_> = curves.values().flatten().copied().collect();
    let most = points.iter().map(|(live, _)| *live).reduce(f64::max)?;
    let fitted = fit(&curves);
    let points = points.into_iter().map(|(x, y)| Point { x, y, samples: 1, saturated: false });
    Some(Line {
        model: Some(model),
        name: String::new(),
        dashed: false,
        points: points.collect(),
        fit: fitted.map(|line| along(line, most)).unwrap_or_default(),
        note: fitted
            .map(|line| format!("{} each, from {}", units::bytes(line.slope), units::bytes(line.intercept))),
    })
}

/// Bytes against live instances, after the most invocations.
type Curves = BTreeMap<u32, Vec<(f64, f64)>>;

/// A curve for each repetition, from one live instance on.
fn curves(group: &Group<'_>, model: usize) -> Curves {
    let rows = group.rows(model, "memory");
    let invocations = rows.iter().filter_map(|row| row.invocations).max();
    let mut cost: BTreeMap<(u32, u64), f64> = BTreeMap::new();
    for row in rows.iter().filter(|row| COST.contains(&row.metric.as_str())) {
        let live = row.live_instances.filter(|live| *live > 0 && row.invocations == invocations);
        if let Some(live) = live {
            *cost.entry((row.repetition, live)).or_default() += row.value as f64;
        }
    }
    let mut curves = Curves::new();
    for ((repetition, live), bytes) in cost {
        curves.entry(repetition).or_default().push((live as f64, bytes));
    }
    curves
}

/// The mean line over the repetitions, as the tables have it.
fn fit(curves: &Curves) -> Option<Straight> {
    let repetitions: Vec<_> = curves.values().cloned().collect();
    let line = line(&repetitions)?;
    Some(Straight { slope: line.slope.value, intercept: line.intercept.value })
}

/// A line without its uncertainty.
#[derive(Clone, Copy)]
struct Straight {
    slope: f64,
    intercept: f64,
}

fn along(line: Straight, most: f64) -> Vec<(f64, f64)> {
    let at = |step: u32| most.powf(f64::from(step) / f64::from(FIT_POINTS));
    let points = (0..=FIT_POINTS).map(|step| (at(step), line.intercept + line.slope * at(step)));
    points.filter(|(_, bytes)| *bytes > 0.0).collect()
}
