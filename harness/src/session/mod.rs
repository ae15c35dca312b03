//! One run from its beginning to its end, whatever asked for it.
//!
//! - [`survey`]: what this machine can run.
//! - [`blocks`]: block after block; [`caches`] for their artifacts.
//! - [`progress`]: what a person sees meanwhile.

pub mod blocks;
pub mod caches;
pub mod progress;
pub mod survey;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_reports::RunStatus;

use crate::exit::{DONE, FAILED, INTERRUPTED, Interrupted};
use crate::host::affinity::Pinning;
use crate::host::condition;
use crate::host::machine::{Build, Machine};
use crate::host::probes::energy::Packages;
use crate::measure::Lab;
use crate::run::folder::RunFolder;
use crate::run::plan::{Block, Planned, Selection, shuffled};
use crate::run::preset::{self, Preset};
use crate::run::record::{Beginning, Ended, OpenRun, default_dir, obstacle};
use crate::run::request::Asked;
use crate::session::caches::Caches;
use crate::session::survey::{Survey, survey};
use crate::{executors, guests, interrupt};

/// What a run measures, and where it leaves that.
#[derive(Debug)]
pub struct Session<'a> {
    /// Names the run, and marks what it makes outside of its processes.
    pub id: String,
    /// Every block of one repetition.
    pub blocks: Vec<Block>,
    /// What was asked for, which the blocks come from.
    pub asked: Asked,
    /// Whether a host that is no good one is refused.
    pub is_strict: bool,
    /// The run's folder, where one was asked for.
    pub out: Option<&'a Path>,
    /// Where artifacts lie while measuring, where that was asked for.
    pub cache: Option<&'a Path>,
}

impl Session<'_> {
    /// Measures everything. An error where nothing can be measured, or where what was
    /// measured cannot be written; what was written until then stays.
    pub fn run(self) -> Result<Ended> {
        let host_warnings = condition::warnings();
        if self.is_strict && !host_warnings.is_empty() {
            anyhow::bail!("this host is not fit to measure on: {}", host_warnings.join("; "));
        }
        interrupt::listen()?;
        let packages = Packages::find();
        let caches = Caches::make(self.cache)?;
        let guests = caches.path().join("guests");
        let lab = Lab {
            preset: &self.asked.preset,
            pinning: Pinning::choose(),
            packages: packages.as_ref().ok(),
            run_id: &self.id,
            functions: &self.asked.functions,
            guests: &guests,
        };
        let surveys =
            survey(&lab, &self.asked.selection, &caches.fresh()?, &caches.path().join("survey.log"))?;
        if self.asked.is_explicit {
            all_available(&surveys)?;
        }

        // Also what cannot run has its place, so that an interrupted run finds the same order.
        let plan = shuffled(&self.blocks, self.asked.preset.repetitions, self.asked.seed);
        let beginning = Beginning {
            id: &self.id,
            seed: self.asked.seed,
            preset: &self.asked.preset,
            machine: &Machine::look(),
            build: &Build::look(),
            surveys: &surveys,
            blocks: &self.blocks,
            notes: notes(&lab),
            host_warnings,
            selection: self.asked.recorded,
        };
        let mut run = if let Some(taken_up) = self.asked.taken_up {
            OpenRun::take_up(taken_up, &plan, &beginning)?
        } else {
            let dir = self.out.map_or_else(|| default_dir(&self.id), |out| Ok(out.to_owned()))?;
            OpenRun::begin(RunFolder::create(&dir)?, &beginning)?
        };
        let is_left =
            |planned: &Planned| obstacle(&planned.block, &surveys).is_none() && !run.is_done(planned.place);
        let plan: Vec<_> = plan.into_iter().filter(is_left).collect();
        announce(&self.asked.preset, plan.len());
        let measured = build_guests(&self.asked.selection, &surveys, &guests)
            .and_then(|()| blocks::measure(&lab, &plan, &caches, &beginning.build.summary(), &mut run));
        sweep(&self.asked.selection, &self.id);
        conclude(run, measured)
    }
}

/// What was asked for by name must be there.
fn all_available(surveys: &[Survey]) -> Result<()> {
    let missing: Vec<_> = surveys.iter().filter_map(|survey| survey.versions.as_ref().err()).collect();
    match missing[..] {
        [] => Ok(()),
        [first, ..] => Err(anyhow::anyhow!("{first}").context("an executor that was asked for cannot run")),
    }
}

/// Blocks of one repetition over all executors and the lab's functions: what a preset's
/// announced time is for.
const BLOCKS_OF_ALL: u32 = 28;

/// Says how long it will take at most, where somebody waits.
fn announce(preset: &Preset, blocks: usize) {
    if std::io::stderr().is_terminal() {
        let all = BLOCKS_OF_ALL * preset.repetitions;
        let share = preset.announced * u32::try_from(blocks).unwrap_or(all) / all;
        let minutes = share.max(Duration::from_mins(1)).as_secs().div_ceil(60);
        eprintln!("{blocks} blocks to measure: at most some {minutes} min, once everything is built");
    }
}

/// Builds beforehand what `prepare` would otherwise wait for, and writes down where it is.
/// What cannot be built makes its cells fail with the same reason, when their turn comes.
fn build_guests(selection: &Selection, surveys: &[Survey], index: &Path) -> Result<()> {
    let available = surveys.iter().filter(|survey| survey.versions.is_ok());
    let names: Vec<_> = available.map(|survey| survey.spec.name()).collect();
    let steps = guests::steps(&names, &selection.functions, &selection.variants);
    let bar = progress::bar(steps.len(), "building");
    let mut lines = String::new();
    for step in steps {
        interrupt::check()?;
        bar.set_message(step.name.clone());
        match step.build() {
            Ok(built) => lines.push_str(&built.guest.index_line()),
            Err(error) => bar.suspend(|| eprintln!("{} cannot be built: {error:#}", step.name)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    std::fs::write(index, lines).context("the index of guests cannot be written")
}

fn notes(lab: &Lab<'_>) -> Vec<String> {
    let pinned = match lab.pinning {
        Some(Pinning { server_cpu, load_cpu }) => format!(
            "The server was kept on processor {server_cpu}, the load generator on {load_cpu}; \
             containers ran where the engine put them. The load generator looked for answers without \
             sleeping, so that a server need not wake it, except where containers shared its processor."
        ),
        None => "Server and load generator shared one processor and disturbed each other.".into(),
    };
    let mut notes = vec![
        pinned,
        format!(
            "What takes {} ms or longer to start was measured with the `heavy` amounts, and its `fresh` cell \
             was held to the load case where its `warm` cell answered all cases.",
            preset::SLOW_START.as_millis()
        ),
        "Memory after many requests is left out where they would take longer than the amounts' bound.".into(),
        "CPU time of a container that is used once is read from the group around it, together with that of \
         any other container of the host, and that of its shim is not seen. With `network=shared`, the idle \
         container whose network a function's containers join, and its shim, are in no instance's memory: \
         there is one for each function."
            .into(),
    ];
    if lab.preset.is_narrow {
        notes.push(
            "Density, open loop and burst tell more of the model than of the function: they were measured \
             with one function."
                .into(),
        );
    }
    notes
}

/// Removes what children could not remove because they were killed.
fn sweep(selection: &Selection, id: &str) {
    if let Err(error) = executors::sweep(&selection.specs, id) {
        // Without an engine there were no containers either.
        tracing::debug!("nothing was swept: {error:#}");
    }
}

/// Writes the end of the run.
fn conclude(run: OpenRun, measured: Result<()>) -> Result<Ended> {
    let status = match &measured {
        Ok(()) => RunStatus::Complete,
        Err(error) if error.is::<Interrupted>() => RunStatus::Interrupted,
        Err(_) => RunStatus::Failed,
    };
    let dir = run.folder.dir().to_owned();
    let ended = run.finish(status);
    if status == RunStatus::Failed {
        println!("{}", dir.display());
        measured?;
    }
    ended.context("the report cannot be written")
}

/// Says what was wrong with an ended run, and answers the exit code.
pub fn verdict(ended: &Ended, is_strict: bool) -> u8 {
    for warning in ended.host_warnings() {
        eprintln!("warning: the host: {warning}");
    }
    for cell in ended.failed() {
        let reason = cell.reason.as_deref().unwrap_or_default();
        let executor = ended.executor(cell);
        eprintln!("failed: {executor} {} {} {}: {reason}", cell.function, cell.variant, cell.reuse);
    }
    match ended.status() {
        RunStatus::Interrupted => INTERRUPTED,
        _ if ended.failed().next().is_some() => FAILED,
        // A host that was good at first and drifted later.
        _ if is_strict && ended.host_warnings().next().is_some() => FAILED,
        _ => DONE,
    }
}
