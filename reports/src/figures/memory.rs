//! Figures of memory against live instances, and of density.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::{DENSITY, MEMORY_HELD};
use super::samples::{Numbers, Sorted, each};
use super::{Figure, Settings, Unit};
use crate::statistics::{Bootstrap, Estimate, Samples, line};

/// A reading of memory: a part of it, or all of the host's.
type Reading = fn(&Numbers<'_>) -> Option<f64>;

/// The readings that have a slope; the first is all of the host's memory.
const READINGS: [(&str, Reading); 5] = [
    ("memory", |window| {
        let outside = ["cgroup_bytes", "helpers_pss_bytes"].iter().filter_map(|metric| window.get(metric));
        Some(window.get("pss_bytes")? + outside.sum::<f64>())
    }),
    ("memory_private", |window| window.get("private_bytes").copied()),
    ("memory_cgroup", |window| window.get("cgroup_bytes").copied()),
    ("memory_helpers", |window| window.get("helpers_pss_bytes").copied()),
    ("memory_model", |window| window.get("model_bytes").copied()),
];

pub(super) fn figures(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = slopes(sorted);
    figures.extend(held(sorted, bootstrap));
    figures.extend(idle(sorted, bootstrap));
    figures.extend(density(sorted, bootstrap));
    figures
}

/// Slope and intercept of every reading over one or more live instances, for every count of
/// invocations.
fn slopes(sorted: &Sorted<'_>) -> Vec<Figure> {
    let counts: BTreeSet<_> = sorted.windows_of("memory").map(|(key, _)| key.invocations).collect();
    let mut figures = Vec::new();
    for invocations in counts {
        for (name, reading) in READINGS {
            let mut repetitions: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
            let mut most = 0;
            for (key, windows) in
                sorted.windows_of("memory").filter(|(key, _)| key.invocations == invocations)
            {
                let Some(live) = key.live_instances.filter(|live| *live >= 1) else { continue };
                for ((repetition, _), window) in windows {
                    if let Some(bytes) = reading(window) {
                        most = most.max(live);
                        repetitions.entry(*repetition).or_default().push((live as f64, bytes));
                    }
                }
            }
            let points: Vec<_> = repetitions.into_values().collect();
            let Some(line) = line(&points) else { continue };
            let reach =
                Estimate::without_interval(most as f64, points.iter().map(Vec::len).sum(), points.len());
            for (part, unit, estimate) in [
                ("slope", Unit::Bytes, line.slope),
                ("intercept", Unit::Bytes, line.intercept),
                ("most_live", Unit::Count, reach),
            ] {
                let settings = Settings { invocations, ..Settings::default() };
                figures.push(Figure::derived(format!("{name}_{part}"), settings, unit, estimate));
            }
        }
    }
    figures
}

/// The host's memory with every number of live instances, after every count of invocations.
fn held(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let held = sorted.windows_of("memory").filter_map(|(key, windows)| {
        let samples = each(windows, READINGS[0].1);
        Figure::median(MEMORY_HELD.to_owned(), key.settings(), Unit::Bytes, samples, bootstrap)
    });
    held.collect()
}

/// The host's memory without instances, the function being prepared.
fn idle(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Option<Figure> {
    let mut repetitions: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (_, windows) in sorted.windows_of("memory").filter(|(key, _)| key.live_instances == Some(0)) {
        for ((repetition, _), window) in windows {
            repetitions.entry(*repetition).or_default().extend(READINGS[0].1(window));
        }
    }
    let (name, samples) = ("memory_idle".to_owned(), Samples::new(repetitions.into_values()));
    let figure = Figure::median(name, Settings::default(), Unit::Bytes, samples, bootstrap)?;
    Some(Figure { outliers: None, ..figure })
}

/// The number of live instances in the end; memory and latency on the way there.
fn density(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut ends: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (key, windows) in sorted.windows_of("density") {
        for ((repetition, _), window) in windows {
            ends.entry(*repetition).or_default().extend(window.get("instances_count").copied());
        }
        let curves =
            [("held", "held_bytes", Unit::Bytes), ("latency_p99", "latency_p99_ns", Unit::Nanoseconds)];
        for (name, metric, unit) in curves {
            let samples = each(windows, |window| window.get(metric).copied());
            let (name, settings) = (format!("density_{name}"), key.settings());
            figures.extend(Figure::median(name, settings, unit, samples, bootstrap));
        }
    }
    let ends = Samples::new(ends.into_values());
    let most = Figure::median(DENSITY.to_owned(), Settings::default(), Unit::Count, ends, bootstrap);
    figures.extend(most.map(|most| Figure { outliers: None, ..most }));
    figures
}
