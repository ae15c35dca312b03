//! One cell: that it answers as it must, then how well.

use std::time::Instant;

use anyhow::{Context, Result};
use isolab_core::{Phase, Reuse};
use isolab_reports::Experiment;
use isolab_reports::Row;

use super::rows::Rows;
use super::{Bench, Character, burst, identity, load, open};
use crate::http1::{Client, Wire};
use crate::run::preset::SLOW_START;
use crate::server::child::Child;
use crate::server::control;

/// Warm answers that are measured however long they take.
const FEWEST: u64 = 5;

/// Measures what depends on the reuse policy.
pub fn measure(bench: &Bench<'_>, character: &Character, reuse: Reuse, rows: &mut Rows<'_>) -> Result<()> {
    let child = bench.child(reuse, bench.cache, true)?;
    let mut client = child.connect()?;
    if is_checked_elsewhere(bench, character, reuse) {
        identity::check(&mut client, bench.function(), bench.load_case())?;
    } else {
        identity::check_all(&mut client, &bench.block.function)?;
    }
    if reuse != Reuse::Fresh {
        warm_answers(bench, character, reuse, &mut client, rows).context("warm answers")?;
    }
    rows.commit()?;
    drop(client);
    if bench.block.has(Experiment::Burst) {
        burst::measure(bench, character, reuse, &child, rows).context("burst")?;
    }
    if !bench.block.has(Experiment::Load) && !bench.block.has(Experiment::Open) {
        return child.stop();
    }
    let child = for_load(bench, character, reuse, child)?;
    // The open loop's rates are parts of what the closed loop reaches.
    let capacity = load::measure(bench, character, reuse, &child, rows).context("throughput")?;
    if bench.block.has(Experiment::Open) {
        open::measure(bench, character, reuse, &child, capacity, rows).context("open loop")?;
    }
    child.stop()
}

/// A new container for every case takes minutes. Where the same artifact answers all
/// of them in the block's warm cell, the fresh one is held to its load case, and to
/// that at every answer under load.
fn is_checked_elsewhere(bench: &Bench<'_>, character: &Character, reuse: Reuse) -> bool {
    reuse == Reuse::Fresh && character.start >= SLOW_START && bench.block.reuses.contains(&Reuse::Warm)
}

/// The child that is loaded: without the pages that record every phase, unless they
/// are needed to know where instances are.
fn for_load(bench: &Bench<'_>, character: &Character, reuse: Reuse, child: Child) -> Result<Child> {
    if character.is_outside() {
        return Ok(child);
    }
    child.stop()?;
    bench.child(reuse, bench.cache, false)
}

/// Answers one after the other, of instances that have answered before.
fn warm_answers(
    bench: &Bench<'_>,
    character: &Character,
    reuse: Reuse,
    client: &mut Client,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let amounts = bench.amounts(character);
    let case = bench.load_case();
    let wire = Wire::of_case(case, bench.function(), &client.host())?;
    client.send(&wire)?;
    control::phases(client)?;
    let begun = Instant::now();
    for sample in 0..u64::from(amounts.warm_answers) {
        if sample >= FEWEST && begun.elapsed() > amounts.warm_time {
            break;
        }
        let answer = client.send(&wire)?;
        identity::compare(case, &answer.response)?;
        let lines = control::phases(client)?;
        let row = rows.row_of(reuse, "response", sample);
        let invoked = lines.iter().find(|line| line.phase == Phase::Invoke).context("nothing was invoked")?;
        rows.add_response(&Row { uses: invoked.uses, ..row.clone() }, None, answer.duration);
        rows.add_phase(&row, invoked);
    }
    Ok(())
}
