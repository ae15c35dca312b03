//! What it takes until there is an answer: `prepare` without and with cache, `start`,
//! and the first answer as a client sees it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isolab_core::{Phase, Reuse};

use super::page::{self, PhaseLine};
use super::rows::Rows;
use super::{Bench, Character, identity};
use crate::child::Child;
use crate::http1::{Client, Wire};
use isolab_reports::Row;

/// Starts that are measured however long they take.
const FEWEST: u32 = 5;

/// Measures start-up, and learns how this block behaves. Nothing is written of a block
/// that does not answer every case as it must.
pub fn measure(bench: &Bench<'_>, rows: &mut Rows<'_>) -> Result<Character> {
    let child = bench.child(Reuse::Warm, bench.cache, true)?;
    let mut client = child.connect()?;
    first_answer(bench, rows, &mut client, false).context("the first answer, without a cache")?;
    identity::check_all(&mut client, &bench.block.function)?;
    drop(client);
    child.stop()?;
    rows.commit()?;

    let child = bench.child(Reuse::Fresh, bench.cache, true)?;
    let mut client = child.connect()?;
    let start = first_answer(bench, rows, &mut client, true).context("the first answer, with a cache")?;
    let start = starts(bench, rows, &mut client, start)?;
    let around = around(bench, &mut client, &child)?;
    drop(client);
    child.stop()?;
    rows.commit()?;
    Ok(Character { start, around })
}

/// The answer that pays for `prepare`, and how long `start` took in it. Of a child
/// without cache only `prepare` is kept: the starts are those of the other one.
fn first_answer(
    bench: &Bench<'_>,
    rows: &mut Rows<'_>,
    client: &mut Client,
    is_cached: bool,
) -> Result<Duration> {
    let (duration, lines) = fresh_answer(bench, client)?;
    let row = rows.row("response", 0);
    let response = Row { uses: Some(1), cached: Some(is_cached), ..row.clone() };
    rows.add_duration(&response, duration);
    for line in lines.iter().filter(|line| is_cached || line.phase == Phase::Prepare) {
        // What the executor says of its cache is what counts: some have none.
        rows.add_phase(&row, line);
    }
    start_of(&lines)
}

/// Further starts, one after the other; their median.
fn starts(bench: &Bench<'_>, rows: &mut Rows<'_>, client: &mut Client, first: Duration) -> Result<Duration> {
    let amounts = bench.lab.preset.amounts(first);
    let begun = Instant::now();
    let (mut durations, mut instances) = (Vec::new(), HashSet::new());
    for sample in 1..=amounts.starts {
        if sample > FEWEST && begun.elapsed() > amounts.starts_time {
            break;
        }
        let (duration, lines) = fresh_answer(bench, client)?;
        let row = rows.row_of(Reuse::Fresh, "response", sample.into());
        rows.add_duration(&Row { uses: Some(1), ..row }, duration);
        let row = rows.row("", sample.into());
        for line in &lines {
            rows.add_phase(&row, line);
        }
        durations.push(start_of(&lines)?);
        let invoked = lines.iter().find(|line| line.phase == Phase::Invoke).context("nothing was invoked")?;
        ensure!(
            invoked.uses == Some(1) && instances.insert(invoked.instance),
            "an instance was used again although the policy is `fresh`"
        );
    }
    durations.sort();
    Ok(durations.get(durations.len() / 2).copied().unwrap_or(first))
}

/// One answer of a new instance, which has stopped when this returns, and all phases
/// of it.
fn fresh_answer(bench: &Bench<'_>, client: &mut Client) -> Result<(Duration, Vec<PhaseLine>)> {
    let case = bench.load_case()?;
    let answer = client.send(&Wire::of_case(case, bench.function(), &client.host())?)?;
    identity::compare(case, &answer.response)?;
    page::instances(client, bench.function(), 0, 0)?;
    Ok((answer.duration, page::phases(client)?))
}

fn start_of(lines: &[PhaseLine]) -> Result<Duration> {
    let start = lines.iter().find(|line| line.phase == Phase::Start);
    Ok(Duration::from_nanos(start.context("nothing was started")?.duration_ns))
}

/// The groups that those of instances are made in.
fn around(bench: &Bench<'_>, client: &mut Client, child: &Child) -> Result<Vec<std::path::PathBuf>> {
    let one = page::instances(client, bench.function(), 1, 0)?.places(child.pid());
    page::instances(client, bench.function(), 0, 0)?;
    Ok(one.around().cgroups)
}
