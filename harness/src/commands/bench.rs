//! `isolab bench`: measure, write a run folder, print its table and its path.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_reports::RunStatus;

use crate::affinity::Pinning;
use crate::asked::Asked;
use crate::caches::Caches;
use crate::cli::BenchArgs;
use crate::exit::{BadInput, DONE, FAILED, INTERRUPTED, Interrupted};
use crate::machine::{Build, Machine};
use crate::measure::survey::{Survey, survey};
use crate::measure::{Lab, blocks};
use crate::plan::{Block, Planned, Selection, shuffled, twins};
use crate::preset::{self, Preset};
use crate::probes::energy::Packages;
use crate::run::{Beginning, Ended, OpenRun, default_dir, obstacle};
use crate::run_folder::RunFolder;
use crate::{condition, executors, guests, interrupt, progress};

/// Measures what is asked for.
pub fn run(arguments: &BenchArgs) -> Result<u8> {
    super::log_to_stderr();
    let asked = Asked::by(arguments)?;
    let blocks = blocks_of(&asked)?;
    let host_warnings = condition::warnings();
    if arguments.strict && !host_warnings.is_empty() {
        anyhow::bail!("this host is not fit to measure on: {}", host_warnings.join("; "));
    }
    interrupt::listen()?;
    let taken_up = asked.taken_up.as_ref().map(|taken_up| taken_up.run.id.clone());
    let (id, packages) = (taken_up.unwrap_or_else(super::run_id), Packages::find());
    let lab = Lab {
        preset: asked.preset,
        pinning: Pinning::choose(),
        packages: packages.as_ref().ok(),
        run_id: &id,
        functions: &asked.functions,
    };
    let caches = Caches::make(arguments.cache.as_deref())?;
    let surveys = survey(&lab, &asked.selection, &caches.fresh()?, &caches.path().join("survey.log"))?;
    if asked.is_explicit {
        all_available(&surveys)?;
    }

    // Also what cannot run has its place, so that an interrupted run finds the same order.
    let plan = shuffled(&blocks, asked.preset.repetitions, asked.seed);
    let beginning = Beginning {
        id: &id,
        seed: asked.seed,
        preset: asked.preset,
        machine: &Machine::look(),
        build: &Build::look(),
        surveys: &surveys,
        blocks: &blocks,
        notes: notes(&lab),
        host_warnings,
        selection: asked.recorded,
    };
    let selection = asked.selection;
    let mut run = match asked.taken_up {
        Some(taken_up) => OpenRun::take_up(taken_up, &plan, &beginning)?,
        None => {
            let dir = arguments.out.clone().map_or_else(|| default_dir(&id), Ok)?;
            OpenRun::begin(RunFolder::create(&dir)?, &beginning)?
        }
    };
    let to_measure =
        |planned: &Planned| obstacle(&planned.block, &surveys).is_none() && !run.is_done(planned.place);
    let plan: Vec<_> = plan.into_iter().filter(to_measure).collect();
    announce(asked.preset, plan.len());
    let measured = build_guests(&selection, &surveys)
        .and_then(|()| blocks::measure(&lab, &plan, &caches, &beginning.build.summary(), &mut run));
    sweep(&selection, &id);
    conclude(run, measured)
}

/// Every block of one repetition, twins last.
fn blocks_of(asked: &Asked) -> Result<Vec<Block>> {
    let mut blocks: Vec<_> = asked.selection.blocks(asked.preset.is_narrow).collect();
    if blocks.is_empty() {
        return Err(BadInput::because("none of the functions has one of the variants asked for"));
    }
    if asked.preset.has_twins {
        blocks.extend(twins(&blocks));
    }
    Ok(blocks)
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

/// Builds beforehand what `prepare` would otherwise wait for. What cannot be built
/// makes its cells fail with the same reason, when their turn comes.
fn build_guests(selection: &Selection, surveys: &[Survey]) -> Result<()> {
    let available = surveys.iter().filter(|survey| survey.versions.is_ok());
    let names: Vec<_> = available.map(|survey| survey.spec.name()).collect();
    let steps = guests::steps(&names, &selection.functions, &selection.variants);
    let bar = progress::bar(steps.len(), "building");
    for step in steps {
        interrupt::check()?;
        bar.set_message(step.name.clone());
        if let Err(error) = step.build() {
            bar.suspend(|| eprintln!("{} cannot be built: {error:#}", step.name));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
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
    let leaves_something = selection.specs.iter().any(|spec| spec.name() == "docker");
    if leaves_something && let Err(error) = executors::sweep(id) {
        // Without an engine there were no containers either.
        tracing::debug!("nothing was swept: {error:#}");
    }
}

/// Writes the end of the run, prints its table and its path, and answers the exit
/// code.
fn conclude(run: OpenRun, measured: Result<()>) -> Result<u8> {
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
    let ended = ended.context("the report cannot be written")?;
    print(&ended);
    Ok(match status {
        RunStatus::Interrupted => INTERRUPTED,
        _ if ended.failed().next().is_some() => FAILED,
        _ => DONE,
    })
}

fn print(ended: &Ended) {
    println!("{}", ended.table(super::report::columns()));
    for warning in ended.host_warnings() {
        eprintln!("warning: {warning}");
    }
    for cell in ended.failed() {
        let reason = cell.reason.as_deref().unwrap_or_default();
        let executor = ended.executor(cell);
        eprintln!("failed: {executor} {} {} {}: {reason}", cell.function, cell.variant, cell.reuse);
    }
    println!("{}", ended.dir().display());
}
