//! One window: one server is loaded. Its answers and its cost are counted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use isolab_core::Phase;
use isolab_core::laps::nanoseconds;
use isolab_reports::paired::PairedMetric;
use isolab_reports::row::LATENCIES;

use super::pair::Server;
use crate::host::probes::counters::{Counts, ProcessCounters, Refused};
use crate::host::probes::places::{Places, Spent};
use crate::host::probes::process;
use crate::load::closed::{self, ClosedLoad, ClosedWindow, Span};
use crate::measure::load::PATIENCE;
use crate::server::control;

/// The length of a window. Shorter windows follow a drift of the host more closely; longer ones
/// average over the time slices of a neighbour on the same processor, which are a few
/// milliseconds long.
const WINDOW: Duration = Duration::from_millis(60);
/// The load before a window, which is not counted: the other server has used the caches.
const LEAD_IN: Duration = Duration::from_millis(5);
/// Answers to wait for if each takes long, for each connection.
const ANSWERS: u64 = 2;
/// The part of the answers of a quiet window to wait for on a host that is busy: with a few
/// answers, all may have been interrupted.
const PART: u32 = 4;
/// Connections that keep a server busy: enough that it never waits for the load generator.
const BUSY: usize = 4;
/// Starts in a window, at least.
const STARTS: usize = 3;

/// The values of one window, by the names of metrics in rows.
pub type WindowRows = Vec<(String, u64)>;

/// How windows are measured.
#[derive(Clone, Copy, Debug)]
pub struct WindowPlan {
    /// The quantity that is compared.
    pub metric: PairedMetric,
    /// Whether the load generator has a processor to itself.
    pub is_spinning: bool,
    /// The time of one answer of a quiet server.
    pub answer: Duration,
}

impl WindowPlan {
    /// The number of connections: with one, latency is that of an idle server; with several, the
    /// server is the bottleneck.
    pub fn connections(self) -> usize {
        match self.metric {
            PairedMetric::Latency | PairedMetric::Start => 1,
            PairedMetric::Rate | PairedMetric::Cpu | PairedMetric::Instructions => BUSY,
        }
    }

    /// Loads a server that has just started, until its caches are full.
    ///
    /// # Errors
    /// If an answer is faulty.
    pub fn warm_up(self, server: &Server<'_>) -> Result<()> {
        let span = Span { duration: 3 * WINDOW, answers: self.connections() as u64 };
        self.load(server, vec![span], || {}).map(drop)
    }

    /// Measures one window of `server`, while `idle` is not loaded.
    ///
    /// # Errors
    /// If an answer is faulty, or the cost cannot be read.
    pub fn measure(self, server: &mut Server<'_>, idle: &Server<'_>) -> Result<WindowRows> {
        if self.metric == PairedMetric::Start {
            return starts(server);
        }
        let few = WINDOW.as_nanos() / u128::from(PART) / self.answer.as_nanos().max(1);
        let answers = u64::try_from(few).unwrap_or(u64::MAX).max(ANSWERS * self.connections() as u64);
        let spans = vec![
            Span { duration: LEAD_IN, answers: self.connections() as u64 },
            Span { duration: WINDOW, answers },
        ];
        let mut readings = Vec::with_capacity(spans.len() + 1);
        let mut counters = server.counters.take();
        let outcome = self.load(server, spans, || {
            let counts = counters.as_mut().map(ProcessCounters::read);
            readings.push(Reading::now(server, idle, counts));
        });
        server.counters = counters;
        let windows = outcome?;
        let window = windows.last().context("no window was finished")?;
        let readings: Vec<Reading> =
            readings.into_iter().collect::<Result<_>>().context("cost of a window")?;
        let [.., earlier, later] = &readings[..] else { anyhow::bail!("a window has two ends") };
        let mut rows = answers_of(window);
        rows.extend(later.since(earlier, &server.places)?);
        Ok(rows)
    }

    fn load(
        self,
        server: &Server<'_>,
        windows: Vec<Span>,
        at_boundary: impl FnMut(),
    ) -> Result<Vec<ClosedWindow>> {
        let load = ClosedLoad {
            addresses: vec![server.child.address()],
            request: server.request.clone(),
            expected: server.expected.clone(),
            connections: self.connections(),
            windows,
            patience: PATIENCE,
            is_spinning: self.is_spinning,
        };
        let outcome = closed::run(&load, at_boundary).and_then(closed::ClosedOutcome::faultless);
        Ok(outcome.with_context(|| format!("load of {}", server.side.label))?.windows)
    }
}

/// Starts instances one after the other, and takes the median time of `start`.
fn starts(server: &mut Server<'_>) -> Result<WindowRows> {
    let mut client = server.child.connect()?;
    control::phases(&mut client)?;
    let mut answers = 0;
    let begun = Instant::now();
    while answers < STARTS || begun.elapsed() < WINDOW {
        let answer = client.send(&server.request)?;
        anyhow::ensure!(
            answer.response.status().as_u16() == server.expected.status,
            "{} answers {}",
            server.side.label,
            answer.response.status()
        );
        answers += 1;
    }
    let duration = begun.elapsed();
    let lines = control::phases(&mut client)?;
    let starts = lines.iter().filter(|line| line.phase == Phase::Start);
    let mut starts: Vec<u64> = starts.map(|line| line.duration_ns).collect();
    starts.sort_unstable();
    let median = starts.get(starts.len() / 2).context("the server reported no `start`")?;
    Ok(vec![
        ("responses_count".into(), answers as u64),
        ("duration_ns".into(), nanoseconds(duration)),
        ("start_p50_ns".into(), *median),
    ])
}

fn answers_of(window: &ClosedWindow) -> WindowRows {
    let mut rows = vec![
        ("responses_count".to_owned(), window.responses),
        ("duration_ns".to_owned(), nanoseconds(window.duration)),
    ];
    let latency =
        |(point, quantile): (&str, f64)| (format!("latency_{point}_ns"), window.quantile_ns(quantile));
    rows.push(("latency_typical_ns".to_owned(), typical_ns(&window.latency_ns)));
    rows.extend(LATENCIES.into_iter().filter(|(point, _)| ["p50", "p99"].contains(point)).map(latency));
    rows
}

/// The mean latency of the shortest half: of all intervals that hold half of the answers, the
/// narrowest (D. F. Andrews and others, Robust Estimates of Location, 1972, "shorth"). Another
/// thread that takes the processor holds up the requests that are on their way, for several
/// milliseconds, and cools the caches for the next. Both lie outside of this half as long as most
/// answers were not disturbed. The median moves with every answer that is held up.
fn typical_ns(latency_ns: &Histogram<u64>) -> u64 {
    let value = |bucket: u64| latency_ns.median_equivalent(bucket);
    let sorted: Vec<u64> = latency_ns
        .iter_recorded()
        .flat_map(|bucket| {
            std::iter::repeat_n(value(bucket.value_iterated_to()), bucket.count_at_value() as usize)
        })
        .collect();
    let half = sorted.len().div_ceil(2).max(1);
    let narrowest = sorted.windows(half).min_by_key(|part| part[half - 1] - part[0]).unwrap_or_default();
    let sum: u64 = narrowest.iter().sum();
    (sum as f64 / half as f64).round() as u64
}

/// Everything that is read at one end of a window. Reading takes a few microseconds: the server
/// must not run out of requests meanwhile.
struct Reading {
    cpu: Duration,
    outside: Option<Spent>,
    waited: Option<Duration>,
    idle: Duration,
    counts: Option<Result<Counts, Refused>>,
}

impl Reading {
    fn now(server: &Server<'_>, idle: &Server<'_>, counts: Option<Result<Counts, Refused>>) -> Result<Self> {
        let is_inside = server.places.cgroups.is_empty() && server.places.helpers.is_empty();
        let outside = if is_inside { None } else { Some(server.places.spent()?) };
        Ok(Self {
            cpu: process::cpu_time(server.child.pid())?,
            outside,
            waited: server.worker.as_ref().and_then(process::waited),
            idle: process::cpu_time(idle.child.pid())?,
            counts,
        })
    }

    fn since(&self, earlier: &Self, places: &Places) -> Result<WindowRows> {
        let mut rows = WindowRows::new();
        let mut add = |name: &str, later: Duration, earlier: Duration| {
            rows.push((name.to_owned(), nanoseconds(later.saturating_sub(earlier))));
        };
        add("cpu_ns", self.cpu, earlier.cpu);
        add("idle_cpu_ns", self.idle, earlier.idle);
        if let (Some(later), Some(earlier)) = (&self.outside, &earlier.outside) {
            if let (Some(later), Some(earlier)) = (later.cgroup, earlier.cgroup) {
                add("cgroup_cpu_ns", later.total, earlier.total);
            }
            // A part that nothing counts has no row.
            if let Some(helpers) = places.helper(earlier, later) {
                add("helpers_cpu_ns", helpers, Duration::ZERO);
            }
        }
        if let (Some(later), Some(earlier)) = (self.waited, earlier.waited) {
            add("waited_ns", later, earlier);
        }
        if let (Some(later), Some(earlier)) = (&self.counts, &earlier.counts) {
            for ((name, later), (_, earlier)) in later.clone()?.iter().zip(&earlier.clone()?) {
                rows.push((format!("{name}_count"), later.saturating_sub(*earlier)));
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interruptions_are_outside_of_the_shortest_half() {
        let mut latencies = Histogram::new(3).unwrap();
        latencies.record_n(100_000, 300).unwrap();
        latencies.record_n(101_000, 300).unwrap();
        // Three digits: a bucket is at most a thousandth wide.
        let undisturbed = 99_900..=101_100;
        assert!(undisturbed.contains(&typical_ns(&latencies)), "{}", typical_ns(&latencies));
        latencies.record_n(4_000_000, 400).unwrap();
        latencies.record_n(50_000, 40).unwrap();
        assert!(undisturbed.contains(&typical_ns(&latencies)), "{}", typical_ns(&latencies));
        assert_eq!(typical_ns(&Histogram::new(3).unwrap()), 0);
    }
}
