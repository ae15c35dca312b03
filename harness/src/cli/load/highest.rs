//! `isolab load --slo`: the highest rate that keeps a bound on the 99th percentile.

use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab_core::laps::nanoseconds;
use serde::Serialize;

use super::{LoadArgs, Target};
use crate::exit::{BadInput, DONE, FAILED};
use crate::load::closed::{self, Span};
use crate::load::open::{self, OpenOutcome};
use crate::load::outcome::Problems;
use crate::load::slo;

/// The closed loop that finds out where to begin.
const FIRST: Duration = Duration::from_millis(500);
/// The shortest probe.
const PROBE: Duration = Duration::from_millis(250);
/// The most probes.
const PROBES: u32 = 40;

/// The result of one probe.
#[derive(Debug, Serialize)]
struct Probed {
    rate_per_s: u64,
    offered_count: u64,
    requests_count: u64,
    dropped_count: u64,
    unfinished_count: u64,
    /// Over all offered requests; without a value if more than 1 % were dropped.
    latency_p99_ns: Option<u64>,
    /// Whether the load generator was in time.
    is_valid: bool,
}

/// The result of the search.
#[derive(Debug, Serialize)]
struct Found<'a> {
    url: &'a str,
    connections: u32,
    arrivals: &'static str,
    seed: u64,
    slo_ns: u64,
    /// The highest rate that kept the bound.
    slo_rate_per_s: Option<u64>,
    /// The lowest rate above it that did not.
    slo_broken_rate_per_s: Option<u64>,
    /// Whether the load generator was in time in nearly all probes.
    is_valid: bool,
    probes: Vec<Probed>,
}

/// Searches for as long as `--duration`, and prints the result.
pub(super) fn run(arguments: &LoadArgs, target: &Target, bound: Duration) -> Result<u8> {
    let begun = Instant::now();
    let capacity = capacity(arguments, target.clone())?;
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let (mut probes, mut faults) = (Vec::new(), None);
    let bracket = slo::search(capacity, PROBES, |rate_per_s| -> Result<_> {
        let windows = slo::windows(PROBE, bound, rate_per_s);
        if faults.is_some() || begun.elapsed() + windows.iter().sum::<Duration>() > arguments.duration {
            return Ok(None);
        }
        let seed = seed.wrapping_add(probes.len() as u64);
        let outcome = probe(arguments, target.clone(), rate_per_s, windows, bound, seed)?;
        probes.push(Probed::of(rate_per_s, &outcome));
        let judged = slo::judge(&outcome.windows[1], rate_per_s, bound);
        faults = faulty(outcome.problems);
        Ok(Some(judged))
    })?;
    if probes.is_empty() {
        return Err(BadInput::because(format!(
            "--duration {:?} is too short for one probe of {} requests with --slo {bound:?}; allow more",
            arguments.duration,
            slo::ENOUGH
        )));
    }
    let invalid = probes.iter().filter(|probe| !probe.is_valid).count();
    let found = Found {
        url: &arguments.url,
        connections: arguments.connections,
        arrivals: arguments.arrivals.name(),
        seed,
        slo_ns: nanoseconds(bound),
        slo_rate_per_s: bracket.kept.map(|rate| rate.round() as u64),
        slo_broken_rate_per_s: bracket.broken.map(|rate| rate.round() as u64),
        is_valid: invalid < 2 || invalid * 10 <= probes.len(),
        probes,
    };
    if !found.is_valid {
        let of = found.probes.len();
        eprintln!(
            "warning: the load generator was late by its own fault in {invalid} of {of} probes; free a processor for `--spin`"
        );
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        print!("{}", found.text(bound));
    }
    if let Some(problems) = faults {
        let first = problems.first_fault.unwrap_or_default();
        eprintln!("{} faulty answers ended the search, the first: {first}", problems.faults.total());
        return Ok(FAILED);
    }
    Ok(DONE)
}

fn faulty(problems: Problems) -> Option<Problems> {
    (problems.faults.total() > 0).then_some(problems)
}

/// The rate of a short closed loop.
fn capacity(arguments: &LoadArgs, target: Target) -> Result<f64> {
    let load = target.closed(arguments, Span::lasting(FIRST));
    let outcome = closed::run(&load, || {})?.faultless()?;
    let window = outcome.windows.get(1).with_context(|| format!("{} gave no answer", arguments.url))?;
    Ok(window.per_second())
}

fn probe(
    arguments: &LoadArgs,
    target: Target,
    rate_per_s: NonZeroU64,
    windows: [Duration; 2],
    bound: Duration,
    seed: u64,
) -> Result<OpenOutcome> {
    let queue_max = slo::queue_max(windows[1], bound, rate_per_s);
    let load = target.open(arguments, rate_per_s, seed, queue_max, windows);
    open::run(&load, || {})
}

impl Probed {
    fn of(rate_per_s: NonZeroU64, outcome: &OpenOutcome) -> Self {
        let window = &outcome.windows[1];
        Self {
            rate_per_s: rate_per_s.get(),
            offered_count: window.offered,
            requests_count: window.responses,
            dropped_count: window.dropped,
            unfinished_count: window.unfinished,
            latency_p99_ns: window.latency_at(0.99),
            is_valid: window.watched().is_valid(),
        }
    }
}

impl Found<'_> {
    fn text(&self, bound: Duration) -> String {
        let mut text = match (self.slo_rate_per_s, self.slo_broken_rate_per_s) {
            (Some(kept), Some(broken)) => {
                format!("{kept} requests/s keep a p99 of {bound:?}; {broken} requests/s break it\n")
            }
            (Some(kept), None) => format!("{kept} requests/s and more keep a p99 of {bound:?}\n"),
            (None, Some(broken)) => format!("no rate down to {broken} requests/s keeps a p99 of {bound:?}\n"),
            (None, None) => format!("no probe of a p99 of {bound:?} was decided\n"),
        };
        let _ = writeln!(text, "{:>12} {:>14} {:>9} {:>11}", "requests/s", "p99", "dropped", "unfinished");
        for probe in &self.probes {
            let p99 = super::summary::milliseconds(probe.latency_p99_ns);
            let _ = writeln!(
                text,
                "{:>12} {p99:>14} {:>9} {:>11}",
                probe.rate_per_s, probe.dropped_count, probe.unfinished_count
            );
        }
        text
    }
}
