//! Where the processor time of a request goes.

use super::load::{best, of};
use super::{Axis, AxisUnit, Bar, Chart, Group, Index, Part, Window, over, panels, windows};
use crate::figures::ticks;
use crate::words::units;

const PARTS: [&str; 5] = ["server, user", "server, system", "containers", "shims", "daemons"];

/// Shares of the processor time of one request, at the number of connections with the
/// highest rate.
pub(crate) fn per_request(index: &Index<'_>, reuse: &str) -> Option<Chart> {
    let panels =
        panels(index, |group| (0..index.models.len()).filter_map(|model| bar(group, model, reuse)).collect());
    let x = Axis::linear("share of the processor time of a request", AxisUnit::Share);
    (!panels.is_empty()).then(|| Chart::Bars { x, parts: PARTS.to_vec(), panels })
}

fn bar(group: &Group<'_>, model: usize, reuse: &str) -> Option<Bar> {
    let (connections, _) = best(group, model, reuse)?;
    let loads = windows(&of(group, model, "load", reuse), |row| row.connections);
    let windows = loads.get(&connections)?;
    let total =
        over(windows, |window| Some(costs(window)?.iter().sum())).filter(|total| total.value > 0.0)?;
    // Means of parts, unlike medians, add up.
    let means = means(windows)?;
    let sum: f64 = means.iter().sum();
    let mut at = 0.0;
    let mut parts = Vec::new();
    for (kind, mean) in means.iter().enumerate().filter(|(_, mean)| **mean > 0.0) {
        let (from, to) = (at, at + 100.0 * mean / sum);
        at = to;
        let value = units::duration(total.value * mean / sum);
        parts.push(Part { kind, name: PARTS[kind].into(), from, to, value, samples: total.samples });
    }
    Some(Bar { model, total: format!("{} at {connections}", units::duration(total.value)), parts })
}

fn means(windows: &[Window<'_>]) -> Option<[f64; 5]> {
    let costs: Vec<_> = windows.iter().filter_map(costs).collect();
    let mut sums = [0.0; 5];
    for cost in &costs {
        for (sum, part) in sums.iter_mut().zip(cost) {
            *sum += part / costs.len() as f64;
        }
    }
    (!costs.is_empty()).then_some(sums)
}

/// Nanoseconds of one request, by part.
fn costs(window: &Window<'_>) -> Option<[f64; 5]> {
    let answers = window.get("responses_count").filter(|answers| *answers > 0.0)?;
    let server = window.get("cpu_ns")?;
    let of = |metric| window.get(metric).unwrap_or_default();
    let split = ticks::split(server, of("user_cpu_ns"), of("system_cpu_ns"));
    let (user, system) = split.unwrap_or((server, 0.0));
    let parts = [user, system, of("cgroup_cpu_ns"), of("helpers_cpu_ns"), of("daemon_cpu_ns")];
    Some(parts.map(|part| part / answers))
}
