//! Figures of memory against live instances, and of density.

use std::collections::{BTreeMap, BTreeSet};

use super::figure::{DENSITY, HANDLES, MEMORY_HELD, MISFIT};
use super::latency;
use super::samples::{Key, Numbers, Sorted, Windows, each};
use super::{Figure, Settings, Unit};
use crate::statistics::{Bootstrap, Estimate, Misfit, Samples, carries, line};

/// A reading of memory: a part of it, or all of the host's.
type Reading = fn(&Numbers<'_>) -> Option<f64>;

/// The page tables of server and helpers. A control group counts its own.
const PAGE_TABLES: [&str; 2] = ["page_tables_bytes", "helpers_page_tables_bytes"];

/// The readings that have a slope; the first is all of the host's memory.
const READINGS: [(&str, Reading); 7] = [
    ("memory", |window| {
        let others = ["cgroup_bytes", "helpers_pss_bytes", PAGE_TABLES[0], PAGE_TABLES[1]];
        let others = others.iter().filter_map(|metric| window.get(metric));
        Some(window.get("pss_bytes")? + others.sum::<f64>())
    }),
    ("memory_page_tables", |window| {
        let tables = PAGE_TABLES.iter().filter_map(|metric| window.get(metric));
        window.get(PAGE_TABLES[0]).map(|_| tables.sum())
    }),
    ("memory_private", |window| window.get("private_bytes").copied()),
    ("memory_cgroup", |window| window.get("cgroup_bytes").copied()),
    ("memory_helpers", |window| window.get("helpers_pss_bytes").copied()),
    ("memory_helpers_resident", |window| window.get("helpers_resident_bytes").copied()),
    ("memory_model", |window| window.get("model_bytes").copied()),
];

pub(super) fn figures(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = slopes(sorted);
    figures.extend(waiting(sorted));
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
            if let Some(misfit) = line.misfit.filter(|_| name == READINGS[0].0) {
                figures.extend(misfits(misfit, invocations, &points));
            }
        }
    }
    figures
}

/// The memory of one more request that waits: a slope over the numbers in flight, which begin with
/// none.
fn waiting(sorted: &Sorted<'_>) -> Option<Figure> {
    let mut repetitions: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
    for (key, windows) in sorted.windows_of("waiting") {
        let in_flight = key.connections.unwrap_or_default() as f64;
        for ((repetition, _), window) in windows {
            let point = READINGS[0].1(window).map(|bytes| (in_flight, bytes));
            repetitions.entry(*repetition).or_default().extend(point);
        }
    }
    let points: Vec<_> = repetitions.into_values().collect();
    let slope = line(&points)?.slope;
    Some(Figure::derived("waiting_memory".to_owned(), Settings::default(), Unit::Bytes, slope))
}

/// How far the points lie from the line, and the slope between the two highest numbers of live
/// instances, which a bend further down does not change.
fn misfits(misfit: Misfit, invocations: Option<u64>, points: &[Vec<(f64, f64)>]) -> Vec<Figure> {
    let count = points.iter().map(Vec::len).sum();
    let at = Settings { invocations, live_instances: Some(misfit.at as u64), ..Settings::default() };
    let of = |name: &str, value| {
        let estimate = Estimate::without_interval(value, count, points.len());
        Figure::derived(name.to_owned(), at.clone(), Unit::Part, estimate)
    };
    let mut figures = vec![of(MISFIT, misfit.part)];
    figures.extend(misfit.chance.map(|chance| of("memory_misfit_chance", chance)));
    let top = |points: &Vec<(f64, f64)>| points[points.len().saturating_sub(2)..].to_vec();
    let top: Vec<_> = points.iter().map(top).collect();
    figures.extend(line(&top).map(|line| {
        let settings = Settings { invocations, ..Settings::default() };
        Figure::derived("memory_top_slope".to_owned(), settings, Unit::Bytes, line.slope)
    }));
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

/// How often every instance answered at each number, in runs that do not say it.
const ROUNDS: u64 = 3;

/// The latencies of all live instances in turn.
fn density_latency(
    sorted: &Sorted<'_>,
    key: &Key<'_>,
    windows: &Windows<'_>,
    bootstrap: &mut Bootstrap,
) -> Vec<Figure> {
    let settings = key.settings();
    if let Some(histograms) = sorted.histograms(key, "latency_count") {
        let repetitions = latency::merged(histograms, |_| 0);
        let figures = latency::figures("density_latency", &settings, &repetitions, bootstrap);
        let is_wanted = |figure: &Figure| figure.name.ends_with("_p50") || figure.name.ends_with("_p99");
        return figures.into_iter().filter(is_wanted).collect();
    }
    let is_carried = key.live_instances.is_some_and(|live| carries((live * ROUNDS) as f64, 0.99));
    let samples = each(windows, |window| window.get("latency_p99_ns").copied().filter(|_| is_carried));
    let name = "density_latency_p99".to_owned();
    Figure::median(name, settings, Unit::Nanoseconds, samples, bootstrap).into_iter().collect()
}

/// Addresses, descriptors and threads at one number of live instances.
fn handles(key: &Key<'_>, windows: &Windows<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let metrics = [
        ("addresses_bytes", Unit::Bytes),
        ("descriptors_count", Unit::Count),
        ("threads_count", Unit::Count),
    ];
    let figure = |(name, (metric, unit)): (&str, (&str, Unit))| {
        let samples = each(windows, |window| window.get(metric).copied());
        Figure::median(name.to_owned(), key.settings(), unit, samples, bootstrap)
    };
    HANDLES.into_iter().zip(metrics).filter_map(figure).collect()
}

/// The number of live instances in the end; memory and latency on the way there.
fn density(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut ends: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (key, windows) in sorted.windows_of("density") {
        for ((repetition, _), window) in windows {
            ends.entry(*repetition).or_default().extend(window.get("instances_count").copied());
        }
        let held = each(windows, |window| window.get("held_bytes").copied());
        let (name, settings) = ("density_held".to_owned(), key.settings());
        figures.extend(Figure::median(name, settings, Unit::Bytes, held, bootstrap));
        figures.extend(density_latency(sorted, key, windows, bootstrap));
        figures.extend(handles(key, windows, bootstrap));
    }
    let is_bound = sorted.is_capped;
    let ends = Samples::new(ends.into_values());
    let most = Figure::median(DENSITY.to_owned(), Settings::default(), Unit::Count, ends, bootstrap);
    figures.extend(most.map(|most| Figure { outliers: None, is_bound, ..most }));
    figures
}
