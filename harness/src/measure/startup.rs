//! What it takes until there is an answer: `prepare` without and with cache, `start`,
//! and the first answer as a client sees it, for three kinds of cold.
//!
//! | [`Cold`] | the server's process | the artifact | the instance | timed |
//! |---|---|---|---|---|
//! | `host` | new | cached | new | from before the process is made |
//! | `function` | listens | not cached, or cached | new | from the request on |
//! | `instance` | has answered before | prepared | new | from the request on |
//!
//! Each is proved by the server's own count: the instance was used once, and `prepare`
//! did or did not find its artifact.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isolab_core::{Phase, Reuse};
use isolab_frontend::admin::api::PhaseLine;
use isolab_reports::Row;
use isolab_reports::row::Cold;

use super::rows::Rows;
use super::{Bench, Character, identity};
use crate::http1::{Client, Wire};
use crate::server::child::Child;
use crate::server::control;

/// Starts that are measured however long they take.
const FEWEST: u32 = 5;

/// Measures start-up, and learns how this block behaves. Nothing is written of a block
/// that does not answer every case as it must.
pub fn measure(bench: &Bench<'_>, rows: &mut Rows<'_>) -> Result<Character> {
    let child = bench.child(Reuse::Warm, bench.cache, true)?;
    let mut client = child.connect()?;
    cold_function(bench, rows, &mut client, false).context("the first answer, without a cache")?;
    identity::check_all(&mut client, &bench.block.function)?;
    drop(client);
    child.stop()?;
    rows.commit()?;

    let child = bench.child(Reuse::Fresh, bench.cache, true)?;
    let mut client = child.connect()?;
    let first = cold_function(bench, rows, &mut client, true).context("the first answer, with a cache")?;
    let (start, invoke) = cold_instances(bench, rows, &mut client, &first)?;
    let around = around(bench, &mut client, &child)?;
    drop(client);
    child.stop()?;
    rows.commit()?;

    let character = Character { start, invoke, around };
    for sample in 0..bench.amounts(&character).hosts {
        cold_host(bench, rows, sample.into()).context("the first answer of a new process")?;
    }
    rows.commit()?;
    Ok(character)
}

/// What an answer was made of, and how long its client waited.
struct FirstAnswer {
    duration: Duration,
    lines: Vec<PhaseLine>,
}

impl FirstAnswer {
    /// Asks for the load case. The instance has stopped when this returns.
    fn of(bench: &Bench<'_>, client: &mut Client, begun: Option<Instant>) -> Result<Self> {
        let case = bench.load_case();
        let wire = Wire::of_case(case, bench.function(), &client.host())?;
        let answer = client.send(&wire)?;
        let duration = begun.map_or(answer.duration, |begun| begun.elapsed());
        identity::compare(case, &answer.response)?;
        control::instances(client, bench.function(), 0, 0)?;
        let first = Self { duration, lines: control::phases(client)? };
        ensure!(first.phase(Phase::Invoke)?.uses == Some(1), "a cold instance had answered before");
        Ok(first)
    }

    fn phase(&self, phase: Phase) -> Result<&PhaseLine> {
        let found = self.lines.iter().find(|line| line.phase == phase);
        found.with_context(|| format!("there was no `{phase}` for a first answer"))
    }

    fn time(&self, phase: Phase) -> Result<Duration> {
        Ok(Duration::from_nanos(self.phase(phase)?.duration_ns))
    }
}

/// The answer that pays for `prepare`. Of a child without cache only `prepare` is kept:
/// the starts are those of the other one.
fn cold_function(
    bench: &Bench<'_>,
    rows: &mut Rows<'_>,
    client: &mut Client,
    is_cached: bool,
) -> Result<FirstAnswer> {
    let first = FirstAnswer::of(bench, client, None)?;
    let row = rows.row("response", 0);
    // What the executor says of its cache is what counts: some have none.
    let prepared = first.phase(Phase::Prepare)?;
    let response = Row { uses: Some(1), cached: prepared.cached, ..row.clone() };
    rows.add_response(&response, Some(Cold::Function), first.duration);
    for line in first.lines.iter().filter(|line| is_cached || line.phase == Phase::Prepare) {
        rows.add_phase(&row, line);
    }
    Ok(first)
}

/// Further starts, one after the other; the medians of `start` and `invoke`.
fn cold_instances(
    bench: &Bench<'_>,
    rows: &mut Rows<'_>,
    client: &mut Client,
    first: &FirstAnswer,
) -> Result<(Duration, Duration)> {
    let amounts = bench.lab.preset.amounts(first.time(Phase::Start)?);
    let begun = Instant::now();
    let mut starts = vec![first.time(Phase::Start)?];
    let mut invokes = vec![first.time(Phase::Invoke)?];
    let mut instances = HashSet::new();
    for sample in 1..=amounts.starts {
        if sample > FEWEST && begun.elapsed() > amounts.starts_time {
            break;
        }
        let next = FirstAnswer::of(bench, client, None)?;
        let row = rows.row_of(Reuse::Fresh, "response", sample.into());
        rows.add_response(&Row { uses: Some(1), ..row }, Some(Cold::Instance), next.duration);
        let row = rows.row("", sample.into());
        for line in &next.lines {
            rows.add_phase(&row, line);
        }
        starts.push(next.time(Phase::Start)?);
        invokes.push(next.time(Phase::Invoke)?);
        ensure!(
            instances.insert(next.phase(Phase::Invoke)?.instance),
            "an instance was used again although the policy is `fresh`"
        );
    }
    Ok((median(starts), median(invokes)))
}

/// The first answer of a new process that finds its artifact in the cache, from before
/// the process is made.
fn cold_host(bench: &Bench<'_>, rows: &mut Rows<'_>, sample: u64) -> Result<()> {
    let child = bench.child(Reuse::Fresh, bench.cache, true)?;
    let mut client = child.connect()?;
    let first = FirstAnswer::of(bench, &mut client, Some(child.begun()))?;
    let cached = first.phase(Phase::Prepare)?.cached;
    let row = Row { uses: Some(1), cached, ..rows.row("response", sample) };
    rows.add_response(&row, Some(Cold::Host), first.duration);
    drop(client);
    child.stop()
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

/// The groups that those of instances are made in.
fn around(bench: &Bench<'_>, client: &mut Client, child: &Child) -> Result<Vec<std::path::PathBuf>> {
    let one = control::places(child.pid(), &control::instances(client, bench.function(), 1, 0)?);
    control::instances(client, bench.function(), 0, 0)?;
    Ok(one.around().cgroups)
}
