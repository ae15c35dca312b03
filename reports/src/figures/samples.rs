//! The rows of one block, sorted by quantity in one pass.

use std::collections::BTreeMap;

use super::Settings;
use crate::rows::row::{Cold, Limit};
use crate::rows::{Latencies, Row};
use crate::statistics::Samples;

/// Distinguishes samples of different quantities; borrows from the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    pub(super) phase: &'a str,
    reuse: Option<&'a str>,
    cold: Option<Cold>,
    cached: Option<bool>,
    pub(super) connections: Option<u64>,
    load_percent: Option<u64>,
    rate_per_s: Option<u64>,
    workers: Option<u64>,
    pub(super) live_instances: Option<u64>,
    pub(super) invocations: Option<u64>,
}

/// The numbers of one sample that has several, such as a window of a load, by metric.
pub(super) type Numbers<'a> = BTreeMap<&'a str, f64>;

/// Samples in the order of rows, by repetition.
#[derive(Debug, Default)]
pub(super) struct Series(BTreeMap<u32, Vec<f64>>);

/// Samples of several numbers, by repetition and place in it.
pub(super) type Windows<'a> = BTreeMap<(u32, u64), Numbers<'a>>;

/// Distributions of the windows of one load, by repetition.
pub(super) type Histograms<'a> = BTreeMap<u32, Vec<&'a Latencies>>;

/// All rows of a block.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// Samples of one number: phases, laps and responses, with their metric.
    pub(super) series: BTreeMap<(Key<'a>, &'a str), Series>,
    /// Samples of several numbers: all other experiments.
    pub(super) windows: BTreeMap<Key<'a>, Windows<'a>>,
    /// Whether the run's own cap ended a search for density.
    pub(super) is_capped: bool,
    /// Distributions of latencies, by the metric of their number.
    histograms: BTreeMap<(Key<'a>, &'a str), Histograms<'a>>,
}

impl<'a> Sorted<'a> {
    pub(super) fn of(rows: &[&'a Row]) -> Self {
        let mut sorted = Self::default();
        for row in rows {
            let Some(key) = Key::of(row) else { continue };
            sorted.is_capped |= matches!(row.limit, Some(Limit::Instances | Limit::Time));
            let value = row.value as f64;
            if matches!(
                row.phase.as_str(),
                "load"
                    | "open"
                    | "slo"
                    | "burst"
                    | "mix"
                    | "contention"
                    | "waiting"
                    | "first-byte"
                    | "memory"
                    | "density"
            ) {
                let windows = sorted.windows.entry(key).or_default();
                windows.entry((row.repetition, row.sample)).or_default().insert(&row.metric, value);
                if let Some(latencies) = &row.histogram {
                    let histograms = sorted.histograms.entry((key, row.metric.as_str())).or_default();
                    histograms.entry(row.repetition).or_default().push(latencies);
                }
            } else {
                let series = sorted.series.entry((key, row.metric.as_str())).or_default();
                series.0.entry(row.repetition).or_default().push(value);
            }
        }
        sorted
    }

    /// The distributions of a load's windows under a metric, if its rows have them.
    pub(super) fn histograms(&self, key: &Key<'a>, metric: &'a str) -> Option<&Histograms<'a>> {
        self.histograms.get(&(*key, metric))
    }

    /// The windows of an experiment.
    pub(super) fn windows_of(&self, phase: &str) -> impl Iterator<Item = (&Key<'a>, &Windows<'a>)> {
        self.windows.iter().filter(move |(key, _)| key.phase == phase)
    }
}

impl Series {
    pub(super) fn samples(&self) -> Samples {
        Samples::new(self.0.values().cloned())
    }
}

/// Applies a formula to every window, and keeps the finite results.
pub(super) fn each(windows: &Windows<'_>, figure: impl Fn(&Numbers<'_>) -> Option<f64>) -> Samples {
    let mut repetitions: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for ((repetition, _), window) in windows {
        if let Some(value) = figure(window).filter(|value| value.is_finite()) {
            repetitions.entry(*repetition).or_default().push(value);
        }
    }
    Samples::new(repetitions.into_values())
}

impl<'a> Key<'a> {
    /// `None` if the row itself proves that it is not a sample of its phase.
    fn of(row: &'a Row) -> Option<Self> {
        let bare = Self {
            phase: &row.phase,
            reuse: None,
            cold: None,
            cached: None,
            connections: None,
            load_percent: None,
            rate_per_s: None,
            workers: None,
            live_instances: None,
            invocations: None,
        };
        let reuse = row.reuse.as_deref();
        // Records whether host and function were cold; a started instance always is.
        let around = row.cold.filter(|cold| *cold != Cold::Instance);
        let (phase, _) = row.phase.split_once('.').unwrap_or((&row.phase, ""));
        Some(match phase {
            "prepare" => Self { cached: row.cached, ..bare },
            // The first invocation touches memory and code that later ones find in place.
            "invoke" => Self { cold: around.or((row.uses == Some(1)).then_some(Cold::Instance)), ..bare },
            "start" | "stop" => Self { cold: around, ..bare },
            "response" => match row.cold {
                Some(Cold::Function) => Self { cold: row.cold, cached: row.cached, ..bare },
                Some(_) => Self { cold: row.cold, ..bare },
                // An instance that is used for the first time is not warm.
                None if row.uses == Some(1) => return None,
                None => Self { reuse, ..bare },
            },
            "load" | "burst" | "mix" | "waiting" => Self { reuse, connections: row.connections, ..bare },
            "contention" => Self { reuse, connections: row.connections, workers: row.workers, ..bare },
            "first-byte" => Self { reuse, ..bare },
            "slo" => Self { reuse, rate_per_s: row.rate_per_s, ..bare },
            "open" => Self {
                reuse,
                load_percent: row.load_percent,
                // The rate of a percentage differs between repetitions.
                rate_per_s: row.rate_per_s.filter(|_| row.load_percent.is_none()),
                ..bare
            },
            "memory" => Self { live_instances: row.live_instances, invocations: row.invocations, ..bare },
            "density" => Self { live_instances: row.live_instances, ..bare },
            // Its rows are answers and not samples: see `confinement`.
            "confinement" => return None,
            _ => bare,
        })
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            reuse: self.reuse.map(str::to_owned),
            cold: self.cold,
            cached: self.cached,
            connections: self.connections,
            load_percent: self.load_percent,
            rate_per_s: self.rate_per_s,
            workers: self.workers,
            live_instances: self.live_instances,
            invocations: self.invocations,
        }
    }
}
