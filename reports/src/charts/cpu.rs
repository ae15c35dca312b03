//! The parts of the processor time of a request.

use super::{Axis, AxisUnit, Bar, Chart, Part, panels};
use crate::figures::{Figure, Figures, Summary};

const PARTS: [&str; 5] = ["server, user", "server, system", "containers", "shims", "daemons"];

/// Shares of the processor time of one request, at the number of connections with the
/// highest rate.
pub(crate) fn per_request(summary: &Summary, reuse: &str) -> Option<Chart> {
    let panels = panels(summary, |figures| bar(figures, reuse).into_iter().collect());
    let x = Axis::linear("share of the processor time of a request", AxisUnit::Share);
    (!panels.is_empty()).then(|| Chart::Bars { x, parts: PARTS.to_vec(), panels })
}

fn bar(figures: &Figures, reuse: &str) -> Option<Bar> {
    let settings = &figures.best_rate(reuse)?.settings;
    let cost = |name| figures.figure(name, settings).filter(|figure| figure.estimate.value > 0.0);
    let total = cost("load_cpu_with_daemons")?;
    let costs: Vec<(usize, &str, &Figure)> = server(cost)
        .into_iter()
        .chain([
            (2, PARTS[2], cost("load_cgroup_cpu")),
            (3, PARTS[3], cost("load_helpers_cpu")),
            (4, PARTS[4], cost("load_daemon_cpu")),
        ])
        .filter_map(|(kind, name, cost)| Some((kind, name, cost?)))
        .collect();
    let sum: f64 = costs.iter().map(|(_, _, cost)| cost.estimate.value).sum();
    let mut at = 0.0;
    let mut parts = Vec::new();
    for (kind, name, cost) in costs {
        let (from, to) = (at, at + 100.0 * cost.estimate.value / sum);
        at = to;
        let (value, samples) = (cost.show(cost.estimate.value), cost.estimate.samples);
        parts.push(Part { kind, name: name.into(), from, to, value, samples });
    }
    let connections = settings.connections.unwrap_or_default();
    let total = format!("{} at {connections}", total.show(total.estimate.value));
    Some(Bar { executor: figures.place, total, parts })
}

/// The server's user and system time; its whole time where the kernel's clock is too coarse
/// to split it.
fn server<'a>(
    cost: impl Fn(&'static str) -> Option<&'a Figure>,
) -> Vec<(usize, &'static str, Option<&'a Figure>)> {
    let (user, system) = (cost("load_server_user_cpu"), cost("load_server_system_cpu"));
    if user.is_none() && system.is_none() {
        return vec![(0, "server", cost("load_server_cpu"))];
    }
    vec![(0, PARTS[0], user), (1, PARTS[1], system)]
}
