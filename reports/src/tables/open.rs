//! Open loops, which send requests at their due times even if the server is slow.

use super::cells::{FEW, figure, greatest, reuse, value};
use super::code;
use super::{NONE, Table, head};
use crate::figures::{Figure, Figures, Group, SATURATED};

fn loops(group: &Group) -> impl Iterator<Item = (&Figures, &Figure)> {
    group.executors.iter().flat_map(|executor| executor.named("open_rate").map(move |rate| (executor, rate)))
}

fn settings(figure: &Figure) -> [String; 2] {
    let percent = figure.settings.load_percent.map(|percent| format!("{percent} %"));
    let rate = figure.settings.rate_per_s.map(|rate| format!("{rate}/s"));
    [reuse(figure), percent.or(rate).unwrap_or_else(|| NONE.to_owned())]
}

/// In how many repetitions the server could not keep up, such as `1 of 3`.
fn saturated(executor: &Figures, rate: &Figure) -> String {
    let saturated = executor.figure("open_saturated", &rate.settings);
    saturated.map_or_else(
        || NONE.to_owned(),
        |saturated| format!("{:.0} of {}", saturated.estimate.value, saturated.estimate.repetitions),
    )
}

/// Offered, answered, dropped and late requests.
pub(super) fn offered(group: &Group) -> Table {
    let lines = loops(group).map(|(executor, rate)| {
        let beside = |name: &str| executor.figure(name, &rate.settings);
        let [reuse, load] = settings(rate);
        vec![
            code(executor),
            reuse,
            load,
            value(beside("open_offered")),
            figure(Some(rate)),
            saturated(executor, rate),
            value(beside("open_dropped")),
            value(beside("open_late")),
            value(beside("open_late_waiting")),
            value(beside("open_generator_late")),
            figure(beside("open_cpu")),
        ]
    });
    Table {
        name: "open",
        title: "Open loop: offered and achieved".into(),
        head: head(&[
            "executor",
            "reuse",
            "load",
            "offered/s",
            "achieved/s",
            "saturated in",
            "dropped",
            "late",
            "late, no connection free",
            "late by the generator",
            "CPU per request",
        ]),
        names: 3,
        lines: lines.collect(),
        note: format!(
            "Load is a rate that all executors share, or a percentage of the executor's own highest rate in the \
             closed loop. Dropped requests were never sent. Late ones were sent after their time. All are percentages \
             of the offered requests. `saturated in` counts repetitions. {SATURATED}."
        ),
        is_detail: true,
    }
}

/// Latencies from the intended and from the real moment of sending.
pub(super) fn latencies(group: &Group) -> Table {
    let mut lines = Vec::new();
    for (executor, rate) in loops(group) {
        for (kind, from) in [("latency", "intended time"), ("service", "real time")] {
            let at = |name: &str| executor.figure(&format!("open_{kind}_{name}"), &rate.settings);
            // Where every repetition was saturated, one line says so.
            if at("p50").is_none() && kind == "service" {
                continue;
            }
            let [reuse, load] = settings(rate);
            lines.push(vec![
                code(executor),
                reuse,
                load,
                saturated(executor, rate),
                from.to_owned(),
                figure(at("p50")),
                value(at("p90")),
                figure(at("p99")),
                value(at("p999")),
                greatest(at("max")),
            ]);
        }
    }
    Table {
        name: "open_latency",
        title: "Open loop: latency".into(),
        head: head(&[
            "executor",
            "reuse",
            "load",
            "saturated in",
            "latency from the",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "greatest, of n",
        ]),
        names: 5,
        lines,
        note: format!(
            "A user waits from the time at which a request was meant to be sent. Latency from the real time of \
             sending hides the queue before a slow server (coordinated omission). It is shown to compare. Latencies are \
             those of the repetitions that were not saturated; none has one where all were. {FEW}"
        ),
        is_detail: true,
    }
}
