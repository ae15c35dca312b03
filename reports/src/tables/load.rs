//! Closed loops, bursts, and the cost of requests.

use super::cells::{FEW, against, figure, greatest, reuse, value};
use super::code;
use super::{NONE, Table, head};
use crate::figures::{Figure, Figures, Group, PRICE_FORMULA, Summary};
use crate::words::units;

/// The reuse policies of a group, in the order of the first executor.
fn reuses(group: &Group) -> Vec<&str> {
    let mut reuses: Vec<&str> = Vec::new();
    for rate in group.executors.iter().flat_map(|executor| executor.named("load_rate")) {
        let reuse = rate.settings.reuse.as_deref().unwrap_or_default();
        if !reuses.contains(&reuse) {
            reuses.push(reuse);
        }
    }
    reuses
}

fn connections(figure: &Figure) -> String {
    figure.settings.connections.map_or_else(|| NONE.to_owned(), |count| count.to_string())
}

/// A rate, and whether the cell was not steady when its windows began.
fn steadily(executor: &Figures, rate: &Figure) -> String {
    let text = figure(Some(rate));
    let Some(steady) = executor.figure("load_steady", &rate.settings) else { return text };
    let (steady, all) = (steady.estimate.value as usize, steady.estimate.repetitions);
    if steady == all { text } else { format!("{text}, not steady in {} of {all}", all - steady) }
}

/// Every executor at the number of connections with its highest rate.
pub(super) fn best(group: &Group) -> Table {
    let mut lines = Vec::new();
    for policy in reuses(group) {
        let best = group.best(|executor| executor.best_rate(policy));
        for (executor, rate) in
            group.executors.iter().filter_map(|executor| Some((executor, executor.best_rate(policy)?)))
        {
            let beside = |name: &str| executor.figure(name, &rate.settings);
            lines.push(vec![
                code(executor),
                policy.to_owned(),
                connections(rate),
                steadily(executor, rate),
                against(group, Some(rate), best),
                figure(beside("load_latency_p50")),
                figure(beside("load_latency_p99")),
                figure(beside("load_cpu")),
            ]);
        }
    }
    Table {
        name: "throughput",
        title: "Throughput: closed loop".into(),
        head: head(&[
            "executor",
            "reuse",
            "connections",
            "requests/s",
            "against the best",
            "latency p50",
            "latency p99",
            "CPU per request",
        ]),
        names: 3,
        lines,
        note: format!(
            "Each executor at the number of connections that gives it the highest rate. Each window of a load is a \
             sample of the rate. CPU is that of the server, its containers and their helpers. {FEW}"
        ),
        is_detail: false,
    }
}

/// The price of a million requests.
pub(super) fn price(summary: &Summary, group: &Group) -> Table {
    let prices = &summary.run.prices;
    let best_of = |price: &Figure| {
        let reuse = price.settings.reuse.clone();
        group.best(move |executor| {
            executor.named("price_per_million").find(|other| other.settings.reuse == reuse)
        })
    };
    let lines = group.executors.iter().flat_map(|executor| {
        executor.named("price_per_million").map(move |price| {
            let ratio = best_of(price).map_or_else(
                || NONE.to_owned(),
                |best| units::ratio(price.estimate.value / best.estimate.value),
            );
            let idle = executor.named("price_idle_hour").next();
            vec![code(executor), reuse(price), connections(price), figure(Some(price)), ratio, figure(idle)]
        })
    });
    Table {
        name: "price",
        title: format!("Price of a million requests, in {}", prices.currency),
        head: head(&[
            "executor",
            "reuse",
            "connections",
            "price",
            "ratio to the best",
            "one idle instance for an hour",
        ]),
        names: 3,
        lines: lines.collect(),
        note: format!(
            "Derived, not measured: {PRICE_FORMULA}. CPU time, median latency and rate are those of the load with \
             the fewest connections, which keeps the server busy. The memory of an instance is that after the count \
             of invocations at which the group is compared. An instance that waits for requests costs the same \
             memory all the time: the last column has the price of one for an hour. Left out are the CPU time of \
             starting the server, other memory of the kernel, disk, and the container engine's daemons. A CPU second is priced at {}, a GiB second at {} ({}).",
            prices.per_cpu_second, prices.per_gib_second, prices.source
        ),
        is_detail: false,
    }
}

fn loads(group: &Group) -> impl Iterator<Item = (&Figures, &Figure)> {
    group.executors.iter().flat_map(|executor| executor.named("load_rate").map(move |rate| (executor, rate)))
}

/// Every number of connections.
pub(super) fn every(group: &Group) -> Table {
    let lines = loads(group).map(|(executor, rate)| {
        let beside = |name: &str| executor.figure(name, &rate.settings);
        vec![
            code(executor),
            reuse(rate),
            connections(rate),
            steadily(executor, rate),
            figure(beside("load_latency_p50")),
            value(beside("load_latency_p90")),
            figure(beside("load_latency_p99")),
            value(beside("load_latency_p999")),
            greatest(beside("load_latency_max")),
        ]
    });
    Table {
        name: "loads",
        title: "Closed loop at every number of connections".into(),
        head: head(&[
            "executor",
            "reuse",
            "connections",
            "requests/s",
            "latency p50",
            "p90",
            "p99",
            "p99.9",
            "greatest, of n",
        ]),
        names: 3,
        lines: lines.collect(),
        note: format!(
            "A rate is the median over the windows of a load, and a percentile is one of all their answers. {FEW}"
        ),
        is_detail: true,
    }
}

/// The resources that a request costs.
pub(super) fn resources(group: &Group) -> Table {
    let names = [
        "load_cpu",
        "load_user_cpu",
        "load_system_cpu",
        "load_server_cpu",
        "load_cgroup_cpu",
        "load_helpers_cpu",
        "load_daemon_cpu",
        "load_minor_faults",
        "load_major_faults",
        "load_switches",
        "load_energy",
    ];
    let lines = loads(group).map(|(executor, rate)| {
        let line = [code(executor), reuse(rate), connections(rate)];
        let figures = names.iter().enumerate().map(|(place, name)| {
            let found = executor.figure(name, &rate.settings);
            // One interval is enough to see the uncertainty of a line.
            if place == 0 { figure(found) } else { value(found) }
        });
        line.into_iter().chain(figures).collect()
    });
    Table {
        name: "resources",
        title: "Resources per request".into(),
        head: head(&[
            "executor",
            "reuse",
            "connections",
            "CPU, total",
            "user",
            "system",
            "server",
            "control group",
            "helpers",
            "engine's daemons",
            "minor faults",
            "major faults",
            "context switches",
            "energy",
        ]),
        names: 3,
        lines: lines.collect(),
        note:
            "Per answer, in the windows of the closed loop. Total CPU covers the server, the control group and \
               the helpers. The container engine's daemons serve others too, so they stand apart. User and \
               system time split the time of server and control group in the proportion of the kernel's clock \
               ticks. Each column is a median of its own, so columns need not add up. Faults and context \
               switches are the server's. Energy is that of the processor packages with everything on the \
               machine, where the host counts it."
                .into(),
        is_detail: true,
    }
}

/// Simultaneous requests from idle.
pub(super) fn bursts(group: &Group) -> Table {
    let mut lines = Vec::new();
    for executor in &group.executors {
        for burst in executor.named("burst_duration") {
            let best = group.best(|executor| executor.figure("burst_duration", &burst.settings));
            let beside = |name: &str| executor.figure(name, &burst.settings);
            lines.push(vec![
                code(executor),
                reuse(burst),
                connections(burst),
                figure(Some(burst)),
                against(group, Some(burst), best),
                value(beside("burst_latency_p50")),
                value(beside("burst_latency_p99")),
                greatest(beside("burst_latency_max")),
            ]);
        }
    }
    Table {
        name: "bursts",
        title: "Bursts: many requests at once to an idle server".into(),
        head: head(&[
            "executor",
            "reuse",
            "requests at once",
            "until the last answer",
            "against the best",
            "latency p50",
            "p99",
            "greatest, of n",
        ]),
        names: 3,
        lines,
        note: format!("Each burst is a sample. Its duration ends with the last answer. {FEW}"),
        is_detail: true,
    }
}
