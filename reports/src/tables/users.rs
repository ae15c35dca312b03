//! Loads that look like users: the highest rate that they bear, many functions, several workers.

use std::collections::BTreeMap;

use super::cells::{FEW, against, figure, reuse, value};
use super::code;
use super::{NONE, Table, head};
use crate::figures::{Figure, Figures, Group};
use crate::words::units;

fn named<'a>(group: &'a Group, name: &'static str) -> impl Iterator<Item = (&'a Figures, &'a Figure)> {
    group
        .executors
        .iter()
        .flat_map(move |executor| executor.named(name).map(move |figure| (executor, figure)))
}

/// The highest rate whose 99th percentile keeps a bound.
pub(super) fn highest(group: &Group) -> Table {
    let lines = named(group, "slo_bound").map(|(executor, bound)| {
        let policy = bound.settings.reuse.as_deref().unwrap_or_default();
        let beside = |name: &str| executor.figure(name, &bound.settings);
        let kept = beside("slo_rate");
        let best = group.best(|executor| executor.figure("slo_rate", &bound.settings));
        let part = kept.zip(executor.best_rate(policy)).map_or_else(
            || NONE.to_owned(),
            |(kept, rate)| units::percent(kept.estimate.value / rate.estimate.value),
        );
        let broken = value(beside("slo_broken_rate"));
        vec![
            code(executor),
            reuse(bound),
            value(Some(bound)),
            figure(kept),
            broken,
            against(group, kept, best),
            part,
        ]
    });
    Table {
        name: "slo",
        title: "The highest rate that keeps a 99th percentile".into(),
        head: head(&[
            "executor",
            "reuse",
            "bound on p99",
            "highest rate kept",
            "lowest rate broken",
            "against the best",
            "part of the closed loop's highest rate",
        ]),
        names: 3,
        lines: lines.collect(),
        note: "An open loop at random instants, unless the notes say otherwise. A search by bisection brackets the \
               edge: the true highest rate lies between kept and broken. A dash under kept says that no probed rate \
               kept the bound. A dash under broken says that the time was over before one broke it."
            .into(),
        is_detail: false,
    }
}

/// A heavy-tailed mix of many functions.
pub(super) fn mix(group: &Group) -> Table {
    let lines = named(group, "mix_rate").map(|(executor, rate)| {
        let beside = |name: &str| executor.figure(name, &rate.settings);
        vec![
            code(executor),
            reuse(rate),
            figure(Some(rate)),
            value(beside("mix_cold")),
            value(beside("mix_functions")),
            value(beside("mix_evictions")),
            figure(beside("mix_latency_p50")),
            figure(beside("mix_latency_p99")),
            figure(beside("mix_cold_latency_p50")),
            figure(beside("mix_server_cpu")),
        ]
    });
    Table {
        name: "mix",
        title: "A mix of 1,000 functions".into(),
        head: head(&[
            "executor",
            "reuse",
            "requests/s",
            "cold answers",
            "functions asked",
            "evictions",
            "latency p50",
            "p99",
            "cold p50",
            "server CPU per request",
        ]),
        names: 2,
        lines: lines.collect(),
        note: format!(
            "A closed loop. The functions are copies of the run's functions, each with a prepared artifact and \
             instances of its own. Copies of one function share the artifact on the disk and its pages in the page \
             cache. Popularity follows Zipf's law with exponent 1.9: the 18.6 % most popular functions get 99.6 % of \
             the requests, as Shahrad et al. (2020) report of Azure Functions. The load begins without an instance; a \
             cold answer pays for `start`, and the first of a function for `prepare` with a full cache, too. Rates, \
             cold answers and functions are medians over windows. Evictions are instances that were stopped for want \
             of a place. {FEW}"
        ),
        is_detail: false,
    }
}

/// Servers with several workers.
pub(super) fn contention(group: &Group) -> Table {
    let lines = named(group, "contention_rate").map(|(executor, rate)| {
        let beside = |name: &str| executor.figure(name, &rate.settings);
        let workers = rate.settings.workers.unwrap_or(1);
        let one = executor
            .named("contention_rate")
            .find(|other| other.settings.workers == Some(1) && other.settings.reuse == rate.settings.reuse);
        let gain = one
            .filter(|_| workers > 1)
            .map_or_else(|| NONE.to_owned(), |one| units::ratio(rate.estimate.value / one.estimate.value));
        let is_shared = beside("contention_shared_processors").is_some_and(|it| it.estimate.value > 0.0);
        vec![
            code(executor),
            reuse(rate),
            workers.to_string(),
            (if is_shared { "yes" } else { "no" }).to_owned(),
            figure(Some(rate)),
            gain,
            figure(beside("contention_latency_p50")),
            figure(beside("contention_latency_p99")),
            figure(beside("contention_cpu")),
        ]
    });
    Table {
        name: "contention",
        title: "Several workers".into(),
        head: head(&[
            "executor",
            "reuse",
            "workers",
            "shares the generator's processor",
            "requests/s",
            "against one worker",
            "latency p50",
            "p99",
            "CPU per request",
        ]),
        names: 4,
        lines: lines.collect(),
        note: format!(
            "A closed loop with the most connections of the ladder. The server has a processor for each worker. \
             Where it shares the load generator's processor, both slow each other down, and the gain of a worker is \
             more than the table shows. {FEW}"
        ),
        is_detail: true,
    }
}

/// Requests that wait.
pub(super) fn waiting(group: &Group) -> Table {
    let lines = named(group, "waiting_rate").map(|(executor, rate)| {
        let beside = |name: &str| executor.figure(name, &rate.settings);
        let best = group.best(|executor| executor.figure("waiting_rate", &rate.settings));
        vec![
            code(executor),
            rate.settings.connections.unwrap_or_default().to_string(),
            figure(Some(rate)),
            against(group, Some(rate), best),
            figure(beside("waiting_latency_p50")),
            figure(beside("waiting_latency_p99")),
            figure(beside("waiting_cpu_per_second")),
            figure(executor.named("waiting_memory").next()),
        ]
    });
    Table {
        name: "waiting",
        title: "Requests that wait".into(),
        head: head(&[
            "executor",
            "in flight",
            "requests/s",
            "against the best",
            "latency p50",
            "p99",
            "CPU per waited second",
            "memory per waiting request",
        ]),
        names: 2,
        lines: lines.collect(),
        note: format!(
            "A closed loop with warm instances. {} The memory of a waiting request is the slope over all numbers in \
             flight, from the server at rest on. CPU per waited second is that of server and instances, divided by \
             the seconds that all requests together were in flight. {FEW}",
            dominance(group)
        ),
        is_detail: true,
    }
}

/// The time until an answer begins.
pub(super) fn first_byte(group: &Group) -> Table {
    let lines = named(group, "first_byte").map(|(executor, first)| {
        let beside = |name: &str| executor.figure(name, &first.settings);
        let best = group.best(|executor| executor.figure("first_byte", &first.settings));
        vec![
            code(executor),
            reuse(first),
            figure(Some(first)),
            against(group, Some(first), best),
            figure(beside("last_byte")),
        ]
    });
    Table {
        name: "first-byte",
        title: "The first byte of an answer".into(),
        head: head(&["executor", "reuse", "first byte", "against the best", "last byte"]),
        names: 2,
        lines: lines.collect(),
        note: "One request after the other. Times begin when the client sends the request. Where the first byte \
               comes with the last, the executor gives this variant's answers in one piece."
            .into(),
        is_detail: true,
    }
}

/// Rates within this part of the best count as the same.
const SAME_PART: f64 = 0.05;

/// Up to which number in flight the wait hides every difference between the executors.
fn dominance(group: &Group) -> String {
    let mut spreads: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (_, rate) in named(group, "waiting_rate") {
        let in_flight = rate.settings.connections.unwrap_or_default();
        spreads.entry(in_flight).or_default().push(rate.estimate.value);
    }
    let compared: Vec<_> = spreads.into_iter().filter(|(_, rates)| rates.len() > 1).collect();
    let is_same = |rates: &[f64]| {
        let best = rates.iter().copied().fold(0.0, f64::max);
        rates.iter().all(|rate| *rate >= best * (1.0 - SAME_PART))
    };
    let hidden = compared.iter().take_while(|(_, rates)| is_same(rates)).last();
    match (hidden, compared.is_empty()) {
        (_, true) => "Only one executor was measured.".to_owned(),
        (Some((in_flight, _)), _) => format!(
            "Up to {in_flight} in flight the wait dominates: all rates lie within {} of the best.",
            units::percent(SAME_PART)
        ),
        (None, _) => format!(
            "The wait dominates at no measured number in flight: some rate lies more than {} below the best.",
            units::percent(SAME_PART)
        ),
    }
}
