//! What the host holds against the number of live instances.

use std::collections::BTreeMap;

use crate::curves::{Axis, Chart, Group, Index, Line, Point, Quantity, lines, panels};
use crate::statistics::{self, line};
use crate::units;

/// Metrics that together are the host's cost; `private_bytes` is part of the first and
/// `model_bytes` what the engine believes.
const COST: [&str; 3] = ["pss_bytes", "cgroup_bytes", "helpers_pss_bytes"];

/// Points on a fitted line, which is none on a logarithmic scale.
const FIT_POINTS: u32 = 24;

/// Bytes against live instances, with the least-squares line through all points of at
/// least one instance.
pub(crate) fn growth(index: &Index<'_>) -> Option<Chart> {
    let panels =
        panels(index, |group| (0..index.models.len()).filter_map(|model| growth_of(group, model)).collect());
    lines(
        Axis::log("live instances", Quantity::Count),
        Axis::log("memory of the host", Quantity::Bytes),
        panels,
    )
}

fn growth_of(group: &Group<'_>, model: usize) -> Option<Line> {
    let cost = cost(group, model);
    let live: Vec<_> = cost
        .iter()
        .filter(|((_, live), _)| *live > 0)
        .map(|((_, live), bytes)| (*live as f64, *bytes))
        .collect();
    let most = live.iter().map(|(live, _)| *live).reduce(f64::max)?;
    let fitted = line(&live);
    let points = live.iter().map(|(x, y)| Point { x: *x, y: *y, samples: 1, saturated: false });
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

/// The slope over live instances, if there are at least two numbers of them.
pub(crate) fn per_instance(group: &Group<'_>, model: usize) -> Option<(f64, usize)> {
    let points: Vec<_> = cost(group, model)
        .into_iter()
        .filter(|((_, live), _)| *live > 0)
        .map(|((_, live), bytes)| (live as f64, bytes))
        .collect();
    Some((line(&points)?.slope, points.len()))
}

/// Bytes by repetition and live instances, after the most invocations.
fn cost(group: &Group<'_>, model: usize) -> BTreeMap<(u32, u64), f64> {
    let rows = group.rows(model, "memory");
    let invocations = rows.iter().filter_map(|row| row.invocations).max();
    let mut cost = BTreeMap::new();
    for row in rows.iter().filter(|row| COST.contains(&row.metric.as_str())) {
        let Some(live) = row.live_instances else { continue };
        if live == 0 || row.invocations == invocations {
            *cost.entry((row.repetition, live)).or_default() += row.value as f64;
        }
    }
    cost
}

fn along(line: statistics::Line, most: f64) -> Vec<(f64, f64)> {
    let at = |step: u32| most.powf(f64::from(step) / f64::from(FIT_POINTS));
    let points = (0..=FIT_POINTS).map(|step| (at(step), line.intercept + line.slope * at(step)));
    points.filter(|(_, bytes)| *bytes > 0.0).collect()
}
