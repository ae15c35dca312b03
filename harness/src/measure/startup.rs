//! Start-up: `prepare` without and with a cache, `start`, and the first answer as a client sees
//! it, for three kinds of cold.
//!
//! | [`Cold`] | the server's process | the artifact | the instance | timed |
//! |---|---|---|---|---|
//! | `host` | new | cached | new | from before the process is made |
//! | `function` | listens | not cached, or cached | new | from the request on |
//! | `instance` | has answered before | prepared | new | from the request on |
//!
//! The server proves each: it reports that the instance was used once, and whether `prepare`
//! found its artifact.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isolab_core::{Phase, Reuse};
use isolab_frontend::admin::api::PhaseLine;
use isolab_reports::Row;
use isolab_reports::row::Cold;

use super::rows::Rows;
use super::{Bench, BlockProfile, identity, outside};
use crate::http1::{Client, Wire};
use crate::server::control;

/// Starts that are measured no matter how long they take.
const FEWEST: u32 = 5;

/// Measures start-up, and finds out how this block behaves. A block that does not answer every
/// case correctly has no rows.
pub fn measure(bench: &Bench<'_>, rows: &mut Rows<'_>) -> Result<BlockProfile> {
    let child = bench.child(Reuse::Warm, bench.cache, true)?;
    let mut client = bench.client(&child)?;
    cold_function(bench, rows, &mut client, false).context("first answer without a cache")?;
    identity::check_all(&mut client, &bench.block.function)?;
    drop(client);
    child.stop()?;
    rows.commit()?;

    let child = bench.child(Reuse::Fresh, bench.cache, true)?;
    let mut client = bench.client(&child)?;
    let first = cold_function(bench, rows, &mut client, true).context("first answer with a cache")?;
    let (start, invoke) = cold_instances(bench, rows, &mut client, &first)?;
    let found = outside::find(bench, &mut client, rows)?;
    drop(client);
    child.stop()?;
    rows.commit()?;

    let profile = found.profile(start, invoke);
    for sample in 0..bench.amounts(&profile).hosts {
        cold_host(bench, rows, sample.into()).context("first answer of a new process")?;
    }
    rows.commit()?;
    Ok(profile)
}

/// The phases of an answer, and how long its client waited.
struct FirstAnswer {
    duration: Duration,
    lines: Vec<PhaseLine>,
}

impl FirstAnswer {
    /// Sends the load case. The instance has stopped when this returns.
    fn of(bench: &Bench<'_>, client: &mut Client, begun: Option<Instant>) -> Result<Self> {
        let case = bench.load_case();
        let wire = Wire::of_case(case, bench.function(), &client.host())?;
        let answer = client.send(&wire)?;
        let duration = begun.map_or(answer.duration, |begun| begun.elapsed());
        identity::compare(case, &answer.response)?;
        control::instances(client, bench.function(), 0, 0)?;
        let first = Self { duration, lines: control::phases(client)? };
        ensure!(
            first.phase(Phase::Invoke)?.uses == Some(1),
            "the first answer of a new instance was not its first use"
        );
        Ok(first)
    }

    fn phase(&self, phase: Phase) -> Result<&PhaseLine> {
        let found = self.lines.iter().find(|line| line.phase == phase);
        found.with_context(|| format!("the server reported no `{phase}` for a first answer"))
    }

    fn time(&self, phase: Phase) -> Result<Duration> {
        Ok(Duration::from_nanos(self.phase(phase)?.duration_ns))
    }
}

/// The first answer of a child, which pays for `prepare`. Without a cache, only `prepare` is
/// written: the starts come from the child with a cache.
fn cold_function(
    bench: &Bench<'_>,
    rows: &mut Rows<'_>,
    client: &mut Client,
    is_cached: bool,
) -> Result<FirstAnswer> {
    let first = FirstAnswer::of(bench, client, None)?;
    let row = rows.row("response", 0);
    // The executor says whether it found its artifact; some executors have no cache.
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
            "an instance was used twice although the reuse policy is `fresh`"
        );
    }
    Ok((median(starts), median(invokes)))
}

/// The first answer of a new process that finds its artifact in the cache, from before
/// the process is made.
fn cold_host(bench: &Bench<'_>, rows: &mut Rows<'_>, sample: u64) -> Result<()> {
    let child = bench.child(Reuse::Fresh, bench.cache, true)?;
    let mut client = bench.client(&child)?;
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
