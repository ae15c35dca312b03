//! Figures of memory against live instances, and of density.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::DENSITY;
use super::samples::{Sorted, Window, each};
use super::{Figure, Settings, Unit};
use crate::statistics::{Bootstrap, Estimate, Outliers, Samples, line};

/// A reading of memory: a part of it, or everything that the host pays.
type Reading = fn(&Window<'_>) -> Option<f64>;

/// The readings whose slopes are told, side by side.
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
    figures.extend(idle(sorted, bootstrap));
    figures.extend(density(sorted, bootstrap));
    figures
}

/// Slope and intercept of every reading over one and more live instances, for every
/// count of invocations.
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
                let name = format!("{name}_{part}");
                figures.push(Figure { name, settings, unit, estimate, outliers: None });
            }
        }
    }
    figures
}

/// What the host pays with no instance, the function being prepared.
fn idle(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Option<Figure> {
    let mut repetitions: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (_, windows) in sorted.windows_of("memory").filter(|(key, _)| key.live_instances == Some(0)) {
        for ((repetition, _), window) in windows {
            repetitions.entry(*repetition).or_default().extend(READINGS[0].1(window));
        }
    }
    let estimate = bootstrap.median(&Samples::new(repetitions.into_values()))?;
    let name = "memory_idle".to_owned();
    Some(Figure { name, settings: Settings::default(), unit: Unit::Bytes, estimate, outliers: None })
}

/// How many instances were live in the end, and what held and answers were on the way.
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
            let Some(estimate) = bootstrap.median(&samples) else { continue };
            let outliers = Some(Outliers::of(&samples));
            let (name, settings) = (format!("density_{name}"), key.settings());
            figures.push(Figure { name, settings, unit, estimate, outliers });
        }
    }
    if let Some(estimate) = bootstrap.median(&Samples::new(ends.into_values())) {
        let (name, settings) = (DENSITY.to_owned(), Settings::default());
        figures.push(Figure { name, settings, unit: Unit::Count, estimate, outliers: None });
    }
    figures
}
