//! What the rows of a run come to: the figures that every rendering shows.

use std::collections::BTreeMap;

use crate::statistics::{Estimate, line, quantile};
use crate::{Cell, ExecutorInfo, Row, Run, RunFolder, Status};

/// The figures of a run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What the run was.
    pub run: Run,
    /// One group for each function and variant, by name.
    pub groups: Vec<Group>,
}

/// The models that ran one variant of one function: what may be compared.
#[derive(Clone, Debug)]
pub struct Group {
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// One entry for each executor that measured something, in the run's order.
    pub models: Vec<Figures>,
}

/// The figures of one executor in one group. Durations are in nanoseconds.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The executor, in short form.
    pub executor: String,
    /// Whether it isolates nothing and is only there to compare with.
    pub is_baseline: bool,
    /// `prepare` with nothing in the cache.
    pub prepare_made: Option<Estimate>,
    /// `prepare` with its artifact in the cache.
    pub prepare_cached: Option<Estimate>,
    /// `start`.
    pub start: Option<Timing>,
    /// `stop`.
    pub stop: Option<Estimate>,
    /// The client's first answer from a fresh instance.
    pub first_response: Option<Timing>,
    /// The client's later answers from a warm instance.
    pub warm_response: Option<Timing>,
    /// What one more live instance costs the host.
    pub memory: Option<Memory>,
    /// Loads, by reuse policy and connections.
    pub loads: Vec<Load>,
}

/// A duration that was sampled.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Median, with its interval.
    pub p50: Estimate,
    /// 99th percentile, by nearest rank.
    pub p99: f64,
}

/// Host memory against the number of live instances.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes that one more instance costs: the slope over the numbers of live
    /// instances from 1 on, once for each repetition.
    pub per_instance: Estimate,
    /// Bytes with no instance, the function being prepared.
    pub idle: Estimate,
    /// How often each instance had been invoked.
    pub invocations: u64,
    /// The greatest number of live instances.
    pub most_live: u64,
}

/// One load.
#[derive(Clone, Debug)]
pub struct Load {
    /// The reuse policy.
    pub reuse: String,
    /// Connections.
    pub connections: u64,
    /// Right answers in a second, one sample a window.
    pub rate: Estimate,
    /// Median over the windows of the median latency.
    pub p50: f64,
    /// Median over the windows of the 99th percentile.
    pub p99: f64,
    /// Processor time of the server, its containers and their helpers for one answer.
    pub cpu_per_response: Option<Estimate>,
}

impl Summary {
    /// Reduces a run.
    pub fn of(folder: &RunFolder) -> Self {
        let mut by_group: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
        for row in &folder.rows {
            by_group.entry((&row.function, &row.variant)).or_default().push(row);
        }
        let groups = by_group.into_iter().map(|((function, variant), rows)| {
            let models = folder.run.executors.iter().filter_map(|executor| {
                let rows: Vec<_> = rows.iter().copied().filter(|row| row.executor == executor.spec).collect();
                (!rows.is_empty()).then(|| Figures::of(executor, &rows))
            });
            Group { function: function.to_owned(), variant: variant.to_owned(), models: models.collect() }
        });
        Self { groups: groups.collect(), run: folder.run.clone() }
    }

    /// The cells that have no figures for a reason other than that the run ended.
    pub fn cells_without_figures(&self) -> impl Iterator<Item = &Cell> {
        self.run.cells.iter().filter(|cell| cell.status != Status::Ok)
    }

    /// The name in short form of an executor that is given by its full spec.
    pub fn short_name<'a>(&'a self, spec: &'a str) -> &'a str {
        self.run
            .executors
            .iter()
            .find(|executor| executor.spec == spec)
            .map_or(spec, |executor| &executor.name)
    }
}

impl Group {
    /// The least value of a figure among the models that isolate.
    pub fn least(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        self.isolating().filter_map(figure).min_by(f64::total_cmp)
    }

    /// The greatest value of a figure among the models that isolate.
    pub fn greatest(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        self.isolating().filter_map(figure).max_by(f64::total_cmp)
    }

    fn isolating(&self) -> impl Iterator<Item = &Figures> {
        self.models.iter().filter(|model| !model.is_baseline)
    }
}

impl Figures {
    fn of(executor: &ExecutorInfo, rows: &[&Row]) -> Self {
        let prepare = |cached| {
            let rows = rows.iter().filter(|row| row.cached == Some(cached));
            Estimate::of(&values(rows.copied(), "prepare", "duration_ns"))
        };
        let all = || rows.iter().copied();
        let responses = |reuse: &str| {
            let rows = all().filter(|row| row.reuse.as_deref() == Some(reuse));
            Timing::of(&values(rows, "response", "duration_ns"))
        };
        Self {
            executor: executor.name.clone(),
            is_baseline: executor.model == "none",
            prepare_made: prepare(false),
            prepare_cached: prepare(true),
            start: Timing::of(&values(all(), "start", "duration_ns")),
            stop: Estimate::of(&values(all(), "stop", "duration_ns")),
            first_response: responses("fresh"),
            warm_response: responses("warm"),
            memory: Memory::of(rows),
            loads: loads(rows),
        }
    }

    /// The load under a reuse policy with the highest rate.
    pub fn best_load(&self, reuse: &str) -> Option<&Load> {
        let loads = self.loads.iter().filter(|load| load.reuse == reuse);
        loads.max_by(|a, b| a.rate.median.total_cmp(&b.rate.median))
    }
}

impl Timing {
    fn of(samples: &[f64]) -> Option<Self> {
        Some(Self { p50: Estimate::of(samples)?, p99: quantile(samples, 0.99)? })
    }
}

impl Memory {
    fn of(rows: &[&Row]) -> Option<Self> {
        let rows: Vec<_> = rows.iter().copied().filter(|row| row.phase == "memory").collect();
        let invocations = rows.iter().filter_map(|row| row.invocations).max()?;
        // The server's own, its containers' and their helpers' memory are one cost.
        let mut cost: BTreeMap<(u32, u64), f64> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.metric != "model_bytes") {
            let live = row.live_instances?;
            if live == 0 || row.invocations == Some(invocations) {
                *cost.entry((row.repetition, live)).or_default() += row.value as f64;
            }
        }
        let mut curves: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
        for ((repetition, live), bytes) in &cost {
            curves.entry(*repetition).or_default().push((*live as f64, *bytes));
        }
        let live_part = |curve: &Vec<(f64, f64)>| {
            let points: Vec<_> = curve.iter().copied().filter(|(live, _)| *live >= 1.0).collect();
            line(&points).map(|line| line.slope)
        };
        let idle: Vec<_> = cost.iter().filter(|((_, live), _)| *live == 0).map(|(_, bytes)| *bytes).collect();
        Some(Self {
            per_instance: Estimate::of(&curves.values().filter_map(live_part).collect::<Vec<_>>())?,
            idle: Estimate::of(&idle)?,
            invocations,
            most_live: cost.keys().map(|(_, live)| *live).max()?,
        })
    }
}

fn values<'a>(rows: impl Iterator<Item = &'a Row>, phase: &str, metric: &str) -> Vec<f64> {
    let rows = rows.filter(|row| row.phase == phase && row.metric == metric);
    rows.map(|row| row.value as f64).collect()
}

/// The numbers of one window, by metric.
type Window<'a> = BTreeMap<&'a str, f64>;

/// Windows by repetition and sample.
type Windows<'a> = BTreeMap<(u32, u64), Window<'a>>;

fn loads(rows: &[&Row]) -> Vec<Load> {
    let mut windows: BTreeMap<(&str, u64), Windows<'_>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.phase == "load") {
        let load = (row.reuse.as_deref().unwrap_or_default(), row.connections.unwrap_or_default());
        let window = windows.entry(load).or_default().entry((row.repetition, row.sample)).or_default();
        window.insert(&row.metric, row.value as f64);
    }
    windows
        .iter()
        .filter_map(|((reuse, connections), windows)| {
            let windows: Vec<_> = windows.values().collect();
            load(reuse, *connections, &windows)
        })
        .collect()
}

fn load(reuse: &str, connections: u64, windows: &[&Window<'_>]) -> Option<Load> {
    let each = |figure: &dyn Fn(&Window<'_>) -> Option<f64>| -> Vec<f64> {
        windows.iter().filter_map(|window| figure(window)).collect()
    };
    let rate =
        |window: &Window<'_>| Some(window.get("responses_count")? / (window.get("duration_ns")? / 1e9));
    let cpu = |window: &Window<'_>| {
        let part = |metric| window.get(metric).copied().unwrap_or_default();
        let total = window.get("cpu_ns")? + part("cgroup_cpu_ns") + part("helpers_cpu_ns");
        Some(total / window.get("responses_count")?).filter(|cpu| cpu.is_finite())
    };
    Some(Load {
        reuse: reuse.to_owned(),
        connections,
        rate: Estimate::of(&each(&rate))?,
        p50: Estimate::of(&each(&|window| window.get("latency_p50_ns").copied()))?.median,
        p99: Estimate::of(&each(&|window| window.get("latency_p99_ns").copied()))?.median,
        cpu_per_response: Estimate::of(&each(&cpu)),
    })
}
