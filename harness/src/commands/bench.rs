//! `isolab bench`: measure, write a run folder, print its table and its path.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use isolab_core::{Reuse, Variant};
use isolab_reports::RunStatus;

use crate::affinity::{self, Pinning};
use crate::cli::BenchArgs;
use crate::exit::{BadInput, DONE, FAILED, INTERRUPTED, Interrupted};
use crate::machine::{Build, Machine};
use crate::measure::rows::Rows;
use crate::measure::survey::{Survey, survey};
use crate::measure::{self, Bench, Lab};
use crate::plan::{Block, Selection, shuffled};
use crate::preset::{self, Preset};
use crate::run::{Beginning, Ended, OpenRun, default_dir, obstacle};
use crate::run_folder::{FolderError, RunFolder};
use crate::{executors, guests, interrupt, library};

/// Measures what is asked for.
pub fn run(arguments: &BenchArgs) -> Result<u8> {
    super::log_to_stderr();
    let (selection, functions) = select(arguments)?;
    let blocks: Vec<_> = selection.blocks().collect();
    if blocks.is_empty() {
        return Err(BadInput::because("none of the functions has one of the variants asked for"));
    }
    interrupt::listen()?;
    let id = super::run_id();
    let lab =
        Lab { preset: preset(arguments), pinning: Pinning::choose(), run_id: &id, functions: &functions };
    let caches = Caches::make(arguments.cache.as_deref())?;
    let surveys = survey(&lab, &selection, &caches.fresh()?, &caches.path().join("survey.log"))?;
    if !arguments.executor.is_empty() {
        all_available(&surveys)?;
    }

    let dir = arguments.out.clone().map_or_else(|| default_dir(&id), Ok)?;
    let folder = RunFolder::create(&dir)?;
    let (machine, build) = (Machine::look(), Build::look());
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let beginning = Beginning {
        id: &id,
        seed,
        preset: lab.preset,
        machine: &machine,
        build: &build,
        surveys: &surveys,
        blocks: &blocks,
        notes: notes(&lab),
    };
    let mut run = OpenRun::begin(folder, beginning)?;
    let possible: Vec<_> = blocks.into_iter().filter(|block| obstacle(block, &surveys).is_none()).collect();
    let plan = shuffled(&possible, lab.preset.repetitions, seed);

    let measured = build_guests(&selection, &surveys)
        .and_then(|()| measure_all(&lab, &plan, &caches, &build.summary(), &mut run));
    sweep(&selection, &id);
    conclude(run, measured)
}

fn select(arguments: &BenchArgs) -> Result<(Selection, Vec<PathBuf>)> {
    let specs = executors::specs(&arguments.executor)?;
    let (functions, paths) = library::select(&arguments.function)?;
    let variants: Vec<Variant> =
        arguments.variant.iter().map(|variant| super::variant(variant)).collect::<Result<_>>()?;
    let reuses: Vec<Reuse> = arguments.reuse.iter().map(|reuse| Ok(reuse.parse()?)).collect::<Result<_>>()?;
    let selection = Selection {
        specs: or(specs, executors::compiled_in()),
        functions,
        variants: or(variants, vec![Variant::Rust, Variant::Js]),
        reuses: or(reuses, vec![Reuse::Fresh, Reuse::Warm]),
    };
    Ok((selection, paths))
}

fn or<T>(asked: Vec<T>, otherwise: Vec<T>) -> Vec<T> {
    if asked.is_empty() { otherwise } else { asked }
}

fn preset(arguments: &BenchArgs) -> &'static Preset {
    match (arguments.quick, arguments.full) {
        (true, _) => &preset::QUICK,
        (_, true) => &preset::FULL,
        _ => &preset::DEFAULT,
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

/// Builds beforehand what `prepare` would otherwise wait for. What cannot be built
/// makes its cells fail with the same reason, when their turn comes.
fn build_guests(selection: &Selection, surveys: &[Survey]) -> Result<()> {
    let available = surveys.iter().filter(|survey| survey.versions.is_ok());
    let names: Vec<_> = available.map(|survey| survey.spec.name()).collect();
    let steps = guests::steps(&names, &selection.functions, &selection.variants);
    let bar = bar(steps.len(), "building");
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

fn bar(steps: usize, what: &str) -> ProgressBar {
    // Drawn on stderr, and only where that is a terminal.
    let style = ProgressStyle::with_template("{prefix} {pos}/{len} [{bar:30}] {elapsed_precise} {wide_msg}");
    let style = style.expect("the template is valid").progress_chars("=> ");
    ProgressBar::new(steps as u64).with_style(style).with_prefix(what.to_owned())
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
    vec![
        pinned,
        format!(
            "What takes {} ms or longer to start was measured with the `heavy` amounts, and its `fresh` cell \
             was held to the load case where its `warm` cell answered all cases.",
            preset::SLOW_START.as_millis()
        ),
        "CPU time of a container that is used once is read from the group around it, and that of its shim \
         is not seen."
            .into(),
    ]
}

/// Measures block by block. An error is one that ends the run.
fn measure_all(lab: &Lab<'_>, plan: &[Block], caches: &Caches, build: &str, run: &mut OpenRun) -> Result<()> {
    if let Some(pinning) = lab.pinning {
        affinity::pin(pinning.load_cpu)?;
    }
    let bar = bar(plan.len(), "measuring");
    for block in plan {
        bar.set_message(block.name());
        let (cache, log) = (caches.fresh()?, run.folder.log(&block.name()));
        let bench = Bench { lab: *lab, block, cache: &cache, log: &log };
        let outcomes = measure_block(&bench, &mut Rows::new(&mut run.folder, block, build))?;
        for (reuse, outcome) in &outcomes {
            if let Err(error) = outcome {
                bar.suspend(|| eprintln!("{} {reuse} failed: {error:#}", block.name()));
            }
            run.note(block, *reuse, outcome);
        }
        run.save()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// What came of each cell of a block. An error is one that ends the run.
fn measure_block(bench: &Bench<'_>, rows: &mut Rows<'_>) -> Result<Vec<(Reuse, Result<()>)>> {
    let reuses = &bench.block.reuses;
    let name = bench.block.name();
    let shared = timed(&name, "startup", || measure::startup::measure(bench, rows)).and_then(|character| {
        timed(&name, "memory", || measure::memory::measure(bench, &character, rows))?;
        Ok(character)
    });
    let character = match local(shared)? {
        Ok(character) => character,
        Err(error) => {
            rows.discard();
            let reason = format!("{error:#}");
            return Ok(reuses.iter().map(|reuse| (*reuse, Err(anyhow::anyhow!(reason.clone())))).collect());
        }
    };
    let mut outcomes = Vec::with_capacity(reuses.len());
    for reuse in reuses {
        let step = reuse.to_string();
        let measure = || measure::cell::measure(bench, &character, *reuse, rows);
        let outcome = local(timed(&name, &step, measure))?;
        rows.discard();
        outcomes.push((*reuse, outcome));
    }
    Ok(outcomes)
}

/// Logs how long a step took, for those who tune the amounts.
fn timed<T>(block: &str, step: &str, measure: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = measure();
    tracing::info!(block, step, took = ?begun.elapsed());
    result
}

/// Tells errors of a cell from those that end the run.
fn local<T>(result: Result<T>) -> Result<Result<T>> {
    match result {
        // Whatever failed after an interrupt failed because of it.
        Err(_) if interrupt::is_requested() => Err(Interrupted.into()),
        Err(error) if error.is::<FolderError>() => Err(error),
        other => Ok(other),
    }
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
    let is_terminal = std::io::stdout().is_terminal();
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    println!("{}", ended.table(columns.filter(|_| is_terminal)));
    for cell in ended.failed() {
        let reason = cell.reason.as_deref().unwrap_or_default();
        let executor = ended.executor(cell);
        eprintln!("failed: {executor} {} {} {}: {reason}", cell.function, cell.variant, cell.reuse);
    }
    println!("{}", ended.dir().display());
}

/// Where artifacts lie while measuring: a folder for each block, so that its first
/// child finds nothing. Removed in the end.
struct Caches(tempfile::TempDir);

impl Caches {
    fn make(within: Option<&Path>) -> Result<Self> {
        let made = match within {
            None => tempfile::Builder::new().prefix("isolab-").tempdir(),
            Some(within) => {
                std::fs::create_dir_all(within).and_then(|()| tempfile::Builder::new().tempdir_in(within))
            }
        };
        let unusable = || {
            let within = within.map_or_else(std::env::temp_dir, Path::to_owned);
            BadInput(format!("the cache {} cannot be written", within.display()))
        };
        Ok(Self(made.with_context(unusable)?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fresh(&self) -> Result<PathBuf> {
        let made = tempfile::Builder::new().prefix("block-").tempdir_in(self.path());
        Ok(made.context("a folder for artifacts cannot be made")?.keep())
    }
}
