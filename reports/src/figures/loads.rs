//! Figures of closed loops, open loops, bursts and mixes.

use std::collections::BTreeMap;

use super::latency;
use super::samples::{Histograms, Key, Numbers, Sorted, Windows, each};
use super::saturation::Saturation;
use super::{Figure, Unit};
use crate::statistics::{Bootstrap, Estimate, Samples};

/// A figure of one window.
type Formula = fn(&Numbers<'_>) -> Option<f64>;

/// Figures that combine several numbers of a window.
const FORMULAS: [(&str, Unit, Formula); 25] = [
    ("rate", Unit::PerSecond, |window| rate(window, "responses_count")),
    ("offered", Unit::PerSecond, |window| rate(window, "offered_count")),
    ("dropped", Unit::Part, |window| part(window, "dropped_count")),
    ("late", Unit::Part, |window| part(window, "late_count")),
    ("late_waiting", Unit::Part, |window| part(window, "late_waiting_count")),
    ("generator_late", Unit::Part, |window| part(window, "generator_late_count")),
    ("cpu", Unit::Nanoseconds, |window| {
        per_response(window, &["cpu_ns"], &["cgroup_cpu_ns", "helpers_cpu_ns"])
    }),
    ("user_cpu", Unit::Nanoseconds, |window| Some(split(window)?.0 / window.get("responses_count")?)),
    ("system_cpu", Unit::Nanoseconds, |window| Some(split(window)?.1 / window.get("responses_count")?)),
    ("cpu_with_daemons", Unit::Nanoseconds, |window| {
        per_response(window, &["cpu_ns"], &["cgroup_cpu_ns", "helpers_cpu_ns", "daemon_cpu_ns"])
    }),
    ("server_user_cpu", Unit::Nanoseconds, |window| Some(server(window)?.0 / window.get("responses_count")?)),
    ("server_system_cpu", Unit::Nanoseconds, |window| {
        Some(server(window)?.1 / window.get("responses_count")?)
    }),
    ("server_cpu", Unit::Nanoseconds, |window| per_response(window, &["cpu_ns"], &[])),
    ("cgroup_cpu", Unit::Nanoseconds, |window| per_response(window, &["cgroup_cpu_ns"], &[])),
    ("helpers_cpu", Unit::Nanoseconds, |window| per_response(window, &["helpers_cpu_ns"], &[])),
    ("daemon_cpu", Unit::Nanoseconds, |window| per_response(window, &["daemon_cpu_ns"], &[])),
    ("minor_faults", Unit::Count, |window| per_response(window, &["minor_faults_count"], &[])),
    ("major_faults", Unit::Count, |window| per_response(window, &["major_faults_count"], &[])),
    ("switches", Unit::Count, |window| {
        per_response(window, &["voluntary_switches_count", "involuntary_switches_count"], &[])
    }),
    ("cold", Unit::Part, |window| Some(window.get("cold_count")? / window.get("responses_count")?)),
    ("functions", Unit::Count, |window| window.get("functions_count").copied()),
    ("evictions", Unit::Count, |window| window.get("stops_count").copied()),
    ("shared_processors", Unit::Count, |window| window.get("shared_processors_count").copied()),
    // Of one second in which one request waits.
    ("cpu_per_second", Unit::Nanoseconds, |window| {
        let waited_s = window.get("in_flight_count")? * window.get("duration_ns")? / 1e9;
        let cpu_ns = per_response(window, &["cpu_ns"], &["cgroup_cpu_ns", "helpers_cpu_ns"])?;
        Some(cpu_ns * window.get("responses_count")? / waited_s)
    }),
    ("energy", Unit::Microjoules, |window| per_response(window, &["energy_uj"], &[])),
];

pub(super) fn figures(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = Vec::new();
    for phase in ["load", "open", "burst", "mix", "contention", "waiting"] {
        for (key, windows) in sorted.windows_of(phase) {
            let mut add = |name: String, unit, samples: Samples| {
                figures.extend(Figure::median(name, key.settings(), unit, samples, bootstrap));
            };
            if phase == "burst" {
                let duration = each(windows, |window| window.get("duration_ns").copied());
                add("burst_duration".to_owned(), Unit::Nanoseconds, duration);
            } else {
                for (name, unit, formula) in FORMULAS {
                    add(format!("{phase}_{name}"), unit, each(windows, formula));
                }
            }
            if phase == "load" {
                figures.extend(steady(key, windows));
            }
            let saturation = if phase == "open" { Saturation::of(windows) } else { Saturation::default() };
            if phase == "open" {
                figures.push(saturation.figure(key.settings()));
            }
            figures.extend(latencies(sorted, key, windows, &saturation, bootstrap));
        }
    }
    figures.extend(highest(sorted, bootstrap));
    figures.extend(first_bytes(sorted, bootstrap));
    figures
}

/// The time until an answer begins, and until it ends.
fn first_bytes(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (key, windows) in sorted.windows_of("first-byte") {
        for (name, metric) in [("first_byte", "first_byte_ns"), ("last_byte", "duration_ns")] {
            let samples = each(windows, |window| window.get(metric).copied());
            figures.extend(Figure::median(
                name.to_owned(),
                key.settings(),
                Unit::Nanoseconds,
                samples,
                bootstrap,
            ));
        }
    }
    figures
}

/// The highest rates that kept a bound, one for each repetition.
fn highest(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = Vec::new();
    // The rows of a probe have its rate, those of the result have none.
    for (key, windows) in sorted.windows_of("slo").filter(|(key, _)| key.settings().rate_per_s.is_none()) {
        for (name, unit, metric) in [
            ("slo_rate", Unit::PerSecond, "slo_rate_per_s"),
            ("slo_broken_rate", Unit::PerSecond, "slo_broken_rate_per_s"),
            ("slo_bound", Unit::Nanoseconds, "slo_ns"),
        ] {
            let samples = each(windows, |window| window.get(metric).copied());
            figures.extend(Figure::median(name.to_owned(), key.settings(), unit, samples, bootstrap));
        }
    }
    figures
}

/// The number of repetitions whose warm-up reached a steady rate; `None` if there was none.
fn steady(key: &Key<'_>, windows: &Windows<'_>) -> Option<Figure> {
    let flags: Vec<f64> = windows.values().filter_map(|window| window.get("steady_count").copied()).collect();
    let estimate = Estimate::without_interval(flags.iter().sum(), flags.len(), flags.len());
    (!flags.is_empty())
        .then(|| Figure::derived("load_steady".to_owned(), key.settings(), Unit::Count, estimate))
}

/// The percentiles of the repetitions that were not saturated.
fn latencies(
    sorted: &Sorted<'_>,
    key: &Key<'_>,
    windows: &Windows<'_>,
    saturation: &Saturation,
    bootstrap: &mut Bootstrap,
) -> Vec<Figure> {
    let unsaturated = windows.iter().filter(|((repetition, _), _)| !saturation.holds(*repetition));
    let windows: Windows<'_> = unsaturated.map(|(place, window)| (*place, window.clone())).collect();
    let offered = latency::sums(&windows, "offered_count");
    let mut figures = Vec::new();
    let kinds =
        [("latency", "latency_count"), ("service", "service_count"), ("cold_latency", "cold_latency_count")];
    for (kind, metric) in kinds {
        let name = format!("{}_{kind}", key.phase);
        let Some(histograms) = sorted.histograms(key, metric) else {
            figures.extend(latency::of_windows(&name, kind, &key.settings(), &windows, bootstrap));
            continue;
        };
        let histograms: Histograms<'_> = histograms
            .iter()
            .filter(|(repetition, _)| !saturation.holds(**repetition))
            .map(|(repetition, windows)| (*repetition, windows.clone()))
            .collect();
        let recorded = latency::sums(&windows, metric);
        let without = |repetition| {
            let of = |sums: &BTreeMap<u32, f64>| sums.get(&repetition).copied().unwrap_or_default();
            (of(&offered) - of(&recorded)).max(0.0) as u64
        };
        let repetitions = latency::merged(&histograms, without);
        figures.extend(latency::figures(&name, &key.settings(), &repetitions, bootstrap));
    }
    figures
}

fn rate(window: &Numbers<'_>, metric: &str) -> Option<f64> {
    Some(window.get(metric)? / (window.get("duration_ns")? / 1e9))
}

fn part(window: &Numbers<'_>, metric: &str) -> Option<f64> {
    Some(window.get(metric)? / window.get("offered_count")?)
}

/// User and system time of server and control group.
fn split(window: &Numbers<'_>) -> Option<(f64, f64)> {
    let (user, system) = server(window)?;
    let outside = split_of(window, ["cgroup_cpu_ns", "cgroup_user_cpu_ns", "cgroup_system_cpu_ns"]);
    let outside = outside.unwrap_or_default();
    Some((user + outside.0, system + outside.1))
}

/// User and system time of the server.
fn server(window: &Numbers<'_>) -> Option<(f64, f64)> {
    split_of(window, ["cpu_ns", "user_cpu_ns", "system_cpu_ns"])
}

/// Splits an exact time in the proportion of user and system time; `None` if both are below a
/// clock tick. The kernel reports those two in ticks of 10 ms, which is too coarse for the
/// window of a load: they split the exact time and do not replace it.
fn split_of(window: &Numbers<'_>, [exact, user, system]: [&str; 3]) -> Option<(f64, f64)> {
    let (user, system) = (window.get(user)?, window.get(system)?);
    let scale = window.get(exact)? / (user + system);
    scale.is_finite().then_some((user * scale, system * scale))
}

/// The sum of metrics per response. It needs the first ones; the others exist only where
/// instances lie outside of the server. Where one of those was not counted, there is no sum.
fn per_response(window: &Numbers<'_>, needed: &[&str], outside: &[&str]) -> Option<f64> {
    let needed: Option<Vec<f64>> = needed.iter().map(|metric| window.get(metric).copied()).collect();
    let is_outside = window.contains_key("daemon_cpu_ns");
    let outside: Vec<f64> = if is_outside {
        outside.iter().map(|metric| window.get(metric).copied()).collect::<Option<_>>()?
    } else {
        outside.iter().filter_map(|metric| window.get(metric).copied()).collect()
    };
    Some((needed?.iter().sum::<f64>() + outside.iter().sum::<f64>()) / window.get("responses_count")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repetitions_that_were_warmed_up_until_steady_are_counted() {
        let row = |repetition, metric: &str, value| crate::Row {
            phase: "load".into(),
            metric: metric.into(),
            connections: Some(8),
            repetition,
            value,
            ..crate::Row::default()
        };
        let found = |flags: &[u64]| {
            let rows: Vec<_> = (0..)
                .zip(flags)
                .flat_map(|(repetition, flag)| {
                    [row(repetition, "steady_count", *flag), row(repetition, "responses_count", 7)]
                })
                .chain([row(0, "duration_ns", 9)])
                .collect();
            let all = figures(&Sorted::of(&rows.iter().collect::<Vec<_>>()), &mut Bootstrap::default());
            let steady = all.into_iter().find(|figure| figure.name == "load_steady");
            steady.map(|steady| (steady.estimate.value, steady.estimate.repetitions))
        };
        assert_eq!(found(&[1, 0, 1]), Some((2.0, 3)));
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_sum_without_one_of_its_parts_is_left_out() {
        let cpu = |metrics: &[(&'static str, f64)]| {
            let window = metrics.iter().copied().chain([("responses_count", 2.0)]).collect();
            per_response(&window, &["cpu_ns"], &["cgroup_cpu_ns", "helpers_cpu_ns"])
        };
        let (server, daemons) = (("cpu_ns", 2.0), ("daemon_cpu_ns", 90.0));
        assert_eq!(cpu(&[server]), Some(1.0));
        assert_eq!(cpu(&[server, daemons, ("cgroup_cpu_ns", 4.0), ("helpers_cpu_ns", 6.0)]), Some(6.0));
        assert_eq!(cpu(&[server, daemons, ("cgroup_cpu_ns", 4.0)]), None);
    }

    #[test]
    fn ticks_split_the_exact_time() {
        let server = [("cpu_ns", 9e6), ("user_cpu_ns", 1e7), ("system_cpu_ns", 2e7)];
        let group = [("cgroup_cpu_ns", 4e6), ("cgroup_user_cpu_ns", 1e7), ("cgroup_system_cpu_ns", 0.0)];
        let of = |metrics: &[(&'static str, f64)]| split(&metrics.iter().copied().collect());
        assert_eq!(of(&server), Some((3e6, 6e6)));
        let alone = group.iter().copied().collect();
        assert_eq!(split_of(&alone, group.map(|(metric, _)| metric)), Some((4e6, 0.0)));
        assert_eq!(of(&[server, group].concat()), Some((7e6, 6e6)));
        // Shorter than a tick: the proportion is not known.
        assert_eq!(of(&[("cpu_ns", 9e6), ("user_cpu_ns", 0.0), ("system_cpu_ns", 0.0)]), None);
    }
}
