//! One run from its beginning to its end.
//!
//! - [`survey`]: what this machine can run.
//! - [`blocks`]: one block after the other; [`caches`] for their artifacts.

pub mod blocks;
pub mod caches;
pub mod survey;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use isolab_core::{Function, Variant};
use isolab_outbound::origin::Origin;
use isolab_reports::{Experiment, RunStatus};

use self::caches::Caches;
use self::survey::survey;
use crate::exit::{DONE, FAILED, INTERRUPTED, Interrupted};
use crate::host::affinity::{self, Pinning};
use crate::host::condition;
use crate::host::machine::{Build, Machine};
use crate::host::probes::energy::Packages;
use crate::load::open::Spread;
use crate::load::slo;
use crate::measure::Lab;
use crate::run::availability::{Availability, obstacle};
use crate::run::folder::RunWriter;
use crate::run::plan::{Block, Matrix, Planned, shuffled};
use crate::run::preset::{self, Preset};
use crate::run::record::{FinishedRun, RunFacts, RunRecord, default_dir};
use crate::run::request::RunRequest;
use crate::server::origin;
use crate::{executors, guests, interrupt, library};

/// A run to measure, and where to write it.
#[derive(Debug)]
pub struct Session<'a> {
    /// Names the run, and labels what it makes outside of its processes.
    pub id: String,
    /// Every block of one repetition.
    pub blocks: Vec<Block>,
    /// The request, from which the blocks come.
    pub request: RunRequest,
    /// Whether to refuse a host that is not fit to measure on.
    pub is_strict: bool,
    /// The run's folder; `runs/<id>` by default.
    pub out: Option<&'a Path>,
    /// The folder for artifacts while measuring; a temporary one by default.
    pub cache: Option<&'a Path>,
}

impl Session<'_> {
    /// Measures everything.
    ///
    /// # Errors
    /// If nothing can be measured, or a figure cannot be written. Figures that were
    /// written before stay.
    pub fn run(self) -> Result<FinishedRun> {
        let host_warnings = condition::warnings();
        if self.is_strict && !host_warnings.is_empty() {
            anyhow::bail!("this host is not fit to measure on: {}", host_warnings.join("; "));
        }
        interrupt::listen()?;
        let packages = Packages::find();
        let caches = Caches::make(self.cache)?;
        let guests = caches.path().join("guests");
        let RunRequest { matrix, recorded, functions, workers, preset, seed, is_explicit, interrupted } =
            self.request;
        let processors = affinity::usable();
        let pinning = Pinning::choose(recorded.placement);
        let origin = origin::start_for(&matrix.functions, pinning.map(|pinning| pinning.load_cpu))?;
        let lab = Lab {
            preset: &preset,
            pinning,
            packages: packages.as_ref().ok(),
            seed,
            run_id: &self.id,
            functions: &functions,
            selected: &matrix.functions,
            workers: &workers,
            processors: &processors,
            guests: &guests,
            origin: origin.as_ref().map(Origin::address),
        };
        let executors = survey(&lab, &matrix, &caches.fresh()?, &caches.path().join("survey.log"))?;
        if is_explicit {
            all_available(&executors)?;
        }

        // Blocks that cannot run keep their places, so that a resumed run has the same order.
        let plan = shuffled(&self.blocks, preset.repetitions, seed);
        let facts = RunFacts {
            id: &self.id,
            seed,
            preset: &preset,
            machine: &Machine::look(),
            build: &Build::look(),
            executors: &executors,
            blocks: &self.blocks,
            notes: notes(&lab, &matrix.functions),
            host_warnings,
            selection: recorded,
        };
        let mut run = if let Some(interrupted) = interrupted {
            RunRecord::resume(interrupted, &plan, &facts)?
        } else {
            let dir = self.out.map_or_else(|| default_dir(&self.id), |out| Ok(out.to_owned()))?;
            RunRecord::begin(RunWriter::create(&dir)?, &facts)?
        };
        let is_left =
            |planned: &Planned| obstacle(&planned.block, &executors).is_none() && !run.is_done(planned.place);
        let plan: Vec<_> = plan.into_iter().filter(is_left).collect();
        announce(&preset, plan.len());
        let measured = build_guests(&matrix, &executors, &guests)
            .and_then(|()| blocks::measure(&lab, &plan, &caches, &facts.build.summary(), &mut run));
        sweep(&matrix, &self.id);
        finish(run, measured)
    }
}

/// An executor that the user named must be available.
fn all_available(executors: &[Availability]) -> Result<()> {
    let missing: Vec<_> = executors.iter().filter_map(|executor| executor.versions.as_ref().err()).collect();
    match missing[..] {
        [] => Ok(()),
        [first, ..] => Err(anyhow::anyhow!("{first}").context("nothing was measured")),
    }
}

/// Blocks of one repetition over all executors and the lab's functions. A preset's
/// announced time is for this many.
const BLOCKS_OF_ALL: u32 = 28;

/// Prints the longest time that the run takes, if stderr is a terminal.
fn announce(preset: &Preset, blocks: usize) {
    if std::io::stderr().is_terminal() {
        let all = BLOCKS_OF_ALL * preset.repetitions;
        let share = preset.announced * u32::try_from(blocks).unwrap_or(all) / all;
        let minutes = share.max(Duration::from_mins(1)).as_secs().div_ceil(60);
        eprintln!("{blocks} blocks to measure: at most about {minutes} min after the build");
    }
}

/// Builds the guests before `prepare` would wait for them, and writes an index of them for
/// the children. Cells whose guest cannot be built fail with the same reason later.
fn build_guests(matrix: &Matrix, executors: &[Availability], index: &Path) -> Result<()> {
    let available = executors.iter().filter(|executor| executor.versions.is_ok());
    let mut functions = matrix.functions.clone();
    if matrix.experiments.contains(&Experiment::Confinement) {
        // Without it, the attempts fail, and their rows say why.
        functions.extend(Function::load(&library::attempts()).ok());
    }
    let steps = guests::steps(available.map(|executor| &executor.spec), &functions, &matrix.variants);
    let bar = progress_bar(steps.len(), "building");
    let mut lines = String::new();
    for step in steps {
        interrupt::check()?;
        bar.set_message(step.name.clone());
        match step.build() {
            Ok(built) => lines.push_str(&built.guest.index_line()),
            Err(error) => bar.suspend(|| eprintln!("cannot build {}: {error:#}", step.name)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    std::fs::write(index, lines).context("cannot write the index of guests")
}

/// A progress bar on stderr; invisible if stderr is not a terminal.
fn progress_bar(steps: usize, activity: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {pos}/{len} [{bar:30}] {elapsed_precise} {wide_msg}");
    let style = style.expect("the template is valid").progress_chars("=> ");
    ProgressBar::new(steps as u64).with_style(style).with_prefix(activity.to_owned())
}

/// The remark on the numbers of connections of the closed loop.
fn ladders(preset: &Preset) -> String {
    let list =
        |connections: &[usize]| connections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (all, light) = (preset.heavy.load.connections, preset.light.load.connections);
    let for_all = format!("Every executor was loaded with {} connections.", list(all));
    match &light[all.len()..] {
        [] => for_all,
        more => format!(
            "{for_all} Executors that start in less than {} ms were loaded with {} connections, too.",
            preset::SLOW_START.as_millis(),
            list(more)
        ),
    }
}

/// The remark on a function without cases.
fn without_cases(function: &Function) -> String {
    format!(
        "`{}` has no cases: nothing was compared, neither with expected responses nor between executors. \
         Every request was `GET /`. A response counts if its status is below 400; under load, if \
         its status is that of the first response, whatever its body.",
        function.name()
    )
}

fn answers_once(function: &Function) -> bool {
    function.variants().all(Variant::answers_once)
}

/// The remark on the processors of servers, instances and load generator.
fn places(lab: &Lab<'_>) -> String {
    let Some(Pinning { server_cpu, guest_cpu, load_cpu }) = lab.pinning else {
        return "Server and load generator shared one processor and slowed each other down.".into();
    };
    let placed = if guest_cpu.is_some() {
        format!(
            "Placement `together`: server and instances ran on processor {server_cpu}, containers included; the \
             load generator ran on processor {load_cpu}. A container engine's daemons and shims ran where the \
             kernel put them, also beside the load generator."
        )
    } else {
        format!(
            "Placement `engine`: the server ran on processor {server_cpu}, the load generator on processor \
             {load_cpu}. The engine chose the processors of containers."
        )
    };
    let polled = match (lab.origin, guest_cpu) {
        (Some(_), _) => {
            "The load generator slept between responses, because the host `origin`, to which functions sent \
             requests, ran on the same processor."
        }
        (None, Some(_)) => {
            "The load generator polled for responses without sleeping, so that no server had to wake it."
        }
        (None, None) => {
            "The load generator polled for responses without sleeping, so that no server had to wake it, except \
             where containers shared its processor."
        }
    };
    format!("{placed} {polled}")
}

/// Remarks on how this run measures, for the report's readers.
fn notes(lab: &Lab<'_>, functions: &[Function]) -> Vec<String> {
    let mut notes = vec![
        places(lab),
        format!(
            "Executors that take {} ms or longer to start were measured with the `heavy` amounts. Their \
             `fresh` cells were checked with the load case only, if their `warm` cells passed every case.",
            preset::SLOW_START.as_millis()
        ),
        ladders(lab.preset),
        format!(
            "Instances that are used again were warmed up until the median speed of four windows differed by at most \
             5 % from that of the four before, for at most {} ms. Where a table says `not steady`, that time was \
             over first.",
            lab.preset.light.warm_up.bound_time.as_millis()
        ),
        "Memory after many requests is missing where the requests would take longer than the preset allows."
            .into(),
        "The CPU time of containers that are used once is that of a control group around the containers of this \
         run. With `network=shared`, a function's containers join the network of one idle container; that \
         container and its shim are not part of any instance's memory."
            .into(),
    ];
    notes.extend(functions.iter().filter(|function| function.cases().is_empty()).map(without_cases));
    notes.extend(functions.iter().filter(|function| answers_once(function)).map(|function| {
        format!(
            "An instance of `{}` answers once: the function was measured without reuse and without density, \
             and its memory is that of instances that have not answered.",
            function.name()
        )
    }));
    let narrow: Vec<String> = lab.preset.narrow.iter().map(|experiment| format!("`{experiment}`")).collect();
    notes.push(format!(
        "These experiments depend on the model more than on the function, and were measured with one function: {}.",
        narrow.join(", ")
    ));
    notes.extend(open_loops(lab.preset));
    notes
}

/// Remarks on the load of open loops.
fn open_loops(preset: &Preset) -> [String; 2] {
    let arrivals = match preset.arrivals {
        Spread::Poisson => "at random, as from users who do not know of each other (Poisson arrivals)",
        Spread::Constant => "at equal intervals",
    };
    [
        format!(
            "Open loops offered the rates 1, 2, 5, 10, … per second that all executors share, up to a cell's \
             capacity and one beyond. Requests came {arrivals}, at the same instants for every executor. A \
             request was dropped if the requests of a quarter of a window waited already."
        ),
        format!(
            "The search for the highest rate with a 99th percentile of at most {} ms ended when kept and broken rate \
             differed by less than a tenth, or its time was over. It is missing where {} requests take longer than \
             that time: fewer have no 99th percentile.",
            preset.slo.as_millis(),
            slo::ENOUGH
        ),
    ]
}

/// Removes what killed children left behind.
fn sweep(matrix: &Matrix, id: &str) {
    if let Err(error) = executors::sweep(matrix.all_specs(), id) {
        // Without an engine there were no containers either.
        tracing::debug!("nothing was swept: {error:#}");
    }
}

/// Writes the run's end and its reports.
fn finish(run: RunRecord, measured: Result<()>) -> Result<FinishedRun> {
    let status = match &measured {
        Ok(()) => RunStatus::Complete,
        Err(error) if error.is::<Interrupted>() => RunStatus::Interrupted,
        Err(_) => RunStatus::Failed,
    };
    let dir = run.folder.dir().to_owned();
    let finished = run.finish(status);
    if status == RunStatus::Failed {
        println!("{}", dir.display());
        measured?;
    }
    finished.context("cannot write the report")
}

/// Prints on stderr what went wrong in a run, and returns the exit code.
pub fn conclude(run: &FinishedRun, is_strict: bool) -> u8 {
    for warning in run.host_warnings() {
        eprintln!("warning: {warning}");
    }
    for cell in run.failed() {
        let reason = cell.reason.as_deref().unwrap_or_default();
        let executor = run.executor(cell);
        eprintln!("failed: {executor} {} {} {}: {reason}", cell.function, cell.variant, cell.reuse);
    }
    match run.status() {
        RunStatus::Interrupted => INTERRUPTED,
        _ if run.failed().next().is_some() => FAILED,
        // The host was fit at first and drifted later.
        _ if is_strict && run.host_warnings().next().is_some() => FAILED,
        _ => DONE,
    }
}
