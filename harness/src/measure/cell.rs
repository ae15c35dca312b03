//! One cell: first whether its answers are correct, then its figures.

use std::time::Instant;

use anyhow::{Context, Result};
use isolab_core::{Phase, Reuse};
use isolab_reports::Experiment;
use isolab_reports::Row;

use super::rows::Rows;
use super::{
    Bench, BlockProfile, burst, contention, first_byte, identity, load, mix, open, slo, steady, waiting,
};
use crate::http1::{Client, Wire};
use crate::run::preset::SLOW_START;
use crate::server::child::Child;
use crate::server::control;

/// Warm answers that are measured no matter how long they take.
const FEWEST: u64 = 5;

/// Answers of one window of the warm-up, whose median counts.
const WARM_UP_ANSWERS: usize = 25;

/// Measures everything that depends on the reuse policy.
pub fn measure(bench: &Bench<'_>, profile: &BlockProfile, reuse: Reuse, rows: &mut Rows<'_>) -> Result<()> {
    let child = bench.child(reuse, bench.cache, true)?;
    let mut client = bench.client(&child)?;
    if is_checked_elsewhere(bench, profile, reuse) {
        identity::check(&mut client, bench.function(), bench.load_case())?;
    } else {
        identity::check_all(&mut client, &bench.block.function)?;
    }
    if reuse != Reuse::Fresh {
        warm_answers(bench, profile, reuse, &mut client, rows).context("warm answers")?;
    }
    rows.commit()?;
    if bench.block.has(Experiment::FirstByte) {
        first_byte::measure(bench, profile, reuse, &mut client, rows).context("first byte")?;
    }
    drop(client);
    if bench.block.has(Experiment::Mix) && reuse != Reuse::Fresh {
        mix::measure(bench, profile, reuse, rows).context("mix of functions")?;
    }
    if bench.block.has(Experiment::Contention) {
        contention::measure(bench, profile, reuse, rows).context("contention")?;
    }
    if bench.block.has(Experiment::Waiting) && reuse == Reuse::Warm {
        waiting::measure(bench, profile, rows).context("waiting")?;
    }
    if bench.block.has(Experiment::Burst) {
        burst::measure(bench, profile, reuse, &child, rows).context("burst")?;
    }
    if ![Experiment::Load, Experiment::Open, Experiment::Slo].iter().any(|it| bench.block.has(*it)) {
        return child.stop();
    }
    let child = for_load(bench, profile, reuse, child)?;
    // The rates of open loops go up to the rate that the closed loop reaches.
    let capacity = load::measure(bench, profile, reuse, &child, rows).context("closed loop")?;
    if bench.block.has(Experiment::Open) {
        open::measure(bench, profile, reuse, &child, capacity, rows).context("open loop")?;
    }
    if bench.block.has(Experiment::Slo) {
        slo::measure(bench, profile, reuse, &child, capacity, rows).context("highest rate")?;
    }
    child.stop()
}

/// Whether another cell of the block checks the cases. A new container for every case would take
/// minutes. If the block's warm cell checks all cases with the same artifact, the fresh cell
/// checks only its load case, and every answer under load.
fn is_checked_elsewhere(bench: &Bench<'_>, profile: &BlockProfile, reuse: Reuse) -> bool {
    reuse == Reuse::Fresh && profile.start >= SLOW_START && bench.block.reuses.contains(&Reuse::Warm)
}

/// The child to load. It has no pages that record every phase, unless they are needed to find
/// instances outside of it.
fn for_load(bench: &Bench<'_>, profile: &BlockProfile, reuse: Reuse, child: Child) -> Result<Child> {
    if profile.is_outside() {
        return Ok(child);
    }
    child.stop()?;
    bench.child(reuse, bench.cache, false)
}

/// Measures answers of instances that have answered before, one after the other.
fn warm_answers(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    reuse: Reuse,
    client: &mut Client,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let amounts = bench.amounts(profile);
    let case = bench.load_case();
    let wire = Wire::of_case(case, bench.function(), &client.host())?;
    let warmed_up = steady::until_steady(&amounts.warm_up, || {
        let mut durations = Vec::with_capacity(WARM_UP_ANSWERS);
        for _ in 0..WARM_UP_ANSWERS {
            durations.push(client.send(&wire)?.duration.as_secs_f64());
        }
        // The server's record of phases has an end.
        control::phases(client)?;
        durations.sort_by(f64::total_cmp);
        Ok((vec![durations[WARM_UP_ANSWERS / 2]], WARM_UP_ANSWERS as u64))
    })?;
    warmed_up.add(rows, &rows.row_of(reuse, "response", 0));
    let begun = Instant::now();
    for sample in 0..u64::from(amounts.warm_answers) {
        if sample >= FEWEST && begun.elapsed() > amounts.warm_time {
            break;
        }
        let answer = client.send(&wire)?;
        identity::compare(case, &answer.response)?;
        let lines = control::phases(client)?;
        let row = rows.row_of(reuse, "response", sample);
        let invoked = lines
            .iter()
            .find(|line| line.phase == Phase::Invoke)
            .context("the server reported no `invoke`")?;
        rows.add_response(&Row { uses: invoked.uses, ..row.clone() }, None, answer.duration);
        rows.add_phase(&row, invoked);
    }
    Ok(())
}
