//! One block after the other, until all are measured or the run has to end.

use std::time::Instant;

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_core::laps::nanoseconds;
use isolab_reports::Experiment;
use isolab_reports::Row;
use isolab_reports::row::HOST;

use crate::exit::Interrupted;
use crate::host::{affinity, calibration};
use crate::interrupt;
use crate::measure::rows::Rows;
use crate::measure::{Bench, Lab, cell, confinement, density, memory, startup};
use crate::run::folder::FolderError;
use crate::run::plan::Planned;
use crate::run::record::RunRecord;
use crate::session::caches::Caches;

/// Measures blocks in this order.
///
/// # Errors
/// If the run has to end. The rows before that are kept.
pub fn measure(
    lab: &Lab<'_>,
    plan: &[Planned],
    caches: &Caches,
    build: &str,
    run: &mut RunRecord,
) -> Result<()> {
    if let Some(pinning) = lab.pinning {
        affinity::pin(pinning.load_cpu)?;
    }
    let bar = super::progress_bar(plan.len(), "measuring");
    for Planned { place, block } in plan {
        bar.set_message(block.name());
        calibrate(lab, *place, build, run)?;
        let (cache, log) = (caches.fresh()?, run.folder.log(&block.name()));
        let bench = Bench { lab: *lab, block, cache: &cache, log: &log };
        let mut rows = Rows::new(&mut run.folder, block, build);
        let outcomes = of_block(&bench, &mut rows)?;
        for remark in rows.into_remarks() {
            run.add_note(remark);
        }
        for (reuse, outcome) in &outcomes {
            if let Err(error) = outcome {
                bar.suspend(|| eprintln!("failed: {} {reuse}: {error:#}", block.name()));
            }
            run.set_outcome(block, *reuse, outcome);
        }
        run.set_done(*place)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn calibrate(lab: &Lab<'_>, place: u32, build: &str, run: &mut RunRecord) -> Result<()> {
    interrupt::check()?;
    let duration = calibration::measure(lab.pinning)?;
    let row = Row {
        executor: HOST.into(),
        function: "calibration".into(),
        variant: "native".into(),
        phase: "calibration".into(),
        metric: "duration_ns".into(),
        sample: place.into(),
        value: nanoseconds(duration),
        build: build.into(),
        ..Row::default()
    };
    Ok(run.folder.append(&[row])?)
}

/// The outcome of each cell of a block.
///
/// # Errors
/// If the run has to end.
fn of_block(bench: &Bench<'_>, rows: &mut Rows<'_>) -> Result<Vec<(Reuse, Result<()>)>> {
    let reuses = &bench.block.reuses;
    let name = bench.block.name();
    let shared = timed(&name, "startup", || startup::measure(bench, rows)).and_then(|profile| {
        if bench.block.has(Experiment::Confinement) {
            timed(&name, "confinement", || confinement::measure(bench, rows)).context("confinement")?;
        }
        if bench.block.has(Experiment::Memory) {
            timed(&name, "memory", || memory::measure(bench, &profile, rows)).context("memory")?;
        }
        if bench.block.has(Experiment::Density) {
            timed(&name, "density", || density::measure(bench, &profile, rows)).context("density")?;
        }
        Ok(profile)
    });
    let profile = match local(shared)? {
        Ok(profile) => profile,
        Err(error) => {
            rows.discard();
            let reason = format!("{error:#}");
            return Ok(reuses.iter().map(|reuse| (*reuse, Err(anyhow::anyhow!(reason.clone())))).collect());
        }
    };
    let mut outcomes = Vec::with_capacity(reuses.len());
    for reuse in reuses {
        let step = reuse.to_string();
        let measure = || cell::measure(bench, &profile, *reuse, rows);
        let outcome = local(timed(&name, &step, measure))?;
        rows.discard();
        outcomes.push((*reuse, outcome));
    }
    Ok(outcomes)
}

/// Logs how long a step took, to tune the presets.
fn timed<T>(block: &str, step: &str, measure: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = measure();
    tracing::info!(block, step, took = ?begun.elapsed());
    result
}

/// Separates errors of a cell (inner) from errors that end the run (outer).
fn local<T>(result: Result<T>) -> Result<Result<T>> {
    match result {
        // After an interrupt, any error is a consequence of it.
        Err(_) if interrupt::is_requested() => Err(Interrupted.into()),
        Err(error) if error.is::<FolderError>() => Err(error),
        other => Ok(other),
    }
}
