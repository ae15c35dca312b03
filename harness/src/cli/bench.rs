//! `isolab bench`: measure, write a run folder, print its table and its path.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use isolab_core::{Reuse, Variant};
use isolab_reports::Experiment;
use isolab_reports::run::Placement;

use super::serve::INSTANCES_MAX;
use super::values::{self, SpecList};
use crate::executors;
use crate::exit::BadInput;
use crate::host::machine::Machine;
use crate::load::open::Spread;
use crate::run::plan::{Block, SMALLEST, twins};
use crate::run::preset::{self, Preset};
use crate::run::request::{Choice, RunRequest};
use crate::session::{self, Session};

const WHAT: &str = "Selection";
const HOW: &str = "Amount and order";
const WHERE: &str = "Folders";

/// `isolab bench`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of a command")]
pub struct BenchArgs {
    /// Executors with their settings, such as `wasm:compiler=winch,v8` [default: all that this machine can run]
    #[arg(long, value_name = "SPEC", help_heading = WHAT)]
    pub executor: Vec<SpecList>,
    /// Every boundary that this machine can draw around one function, from none to a container, in one table and one
    /// chart: start, memory, throughput, and what it confines
    #[arg(long, conflicts_with = "executor", help_heading = WHAT)]
    pub boundaries: bool,
    /// Functions by name or path: a folder, a .js file, a WASI command (.wasm). Responses of functions without
    /// cases are compared with nothing [default: all of the lab's]
    #[arg(long, value_name = "NAME|PATH", value_delimiter = ',', help_heading = WHAT)]
    pub function: Vec<String>,
    /// Variants: rust, js, module, command [default: those of the functions]
    #[arg(long, value_name = "VARIANT", value_delimiter = ',', help_heading = WHAT)]
    pub variant: Vec<Variant>,
    /// Reuse policies: `fresh`, `warm`, `reuse:N` [default: fresh,warm]
    #[arg(long, value_name = "POLICY", value_delimiter = ',', help_heading = WHAT)]
    pub reuse: Vec<Reuse>,
    /// Experiments: startup, confinement, memory, density, load, open, slo, burst, mix, contention, waiting, first-byte
    /// [default: all but the last two; mix and contention only with --full]
    #[arg(long, value_name = "EXPERIMENT", value_delimiter = ',', value_parser = values::experiment, help_heading = WHAT)]
    pub only: Vec<Experiment>,
    /// Measure a little of everything: at most 2 minutes for the whole lab
    #[arg(long, conflicts_with = "full", help_heading = HOW)]
    pub quick: bool,
    /// Measure for publication: at most 50 minutes for the whole lab [default: at most 25 minutes]
    #[arg(long, help_heading = HOW)]
    pub full: bool,
    /// Number of repetitions [default: 3; 1 with --quick, 5 with --full]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000), help_heading = HOW)]
    pub repetitions: Option<u32>,
    /// Seed of the order in which cells are measured [default: random]
    #[arg(long, value_name = "N", help_heading = HOW)]
    pub seed: Option<u64>,
    /// Processors: `together` keeps server and instances on one, containers included; with `engine`, the
    /// container engine places its containers
    #[arg(long, value_name = "RULE", default_value = "together", value_parser = values::placement, help_heading = HOW)]
    pub placement: Placement,
    /// Intervals between the requests of open loops: `poisson` for random ones, or `constant`
    /// [default: poisson]
    #[arg(long, value_name = "HOW", hide_possible_values = true, help_heading = HOW)]
    pub arrivals: Option<Spread>,
    /// Search the highest rate whose 99th percentile keeps this bound [default: 10ms]
    #[arg(long, value_name = "D", value_parser = values::duration, help_heading = HOW)]
    pub slo: Option<Duration>,
    /// Search for up to N live instances, in nine tenths of the memory that is available and 10 minutes
    /// [default: the bounds of the preset]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=INSTANCES_MAX as u64), help_heading = HOW)]
    pub instances: Option<u64>,
    /// Numbers of the server's workers for the experiment `contention`, which this adds
    /// [default: 1 and the number of processors]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = values::workers, help_heading = HOW)]
    pub workers: Vec<usize>,
    /// Refuse to measure on a busy host, or on one whose frequency follows its load
    #[arg(long, help_heading = HOW)]
    pub strict: bool,
    /// Run folder, new or empty [default: runs/<time>]
    #[arg(long, value_name = "DIR", help_heading = WHERE)]
    pub out: Option<PathBuf>,
    /// Resume an interrupted run
    #[arg(
        long,
        value_name = "RUN",
        help_heading = WHERE,
        conflicts_with_all = ["executor", "boundaries", "function", "variant", "reuse", "only", "quick", "full", "repetitions", "seed", "arrivals", "slo", "instances", "workers", "placement", "out"]
    )]
    pub resume: Option<PathBuf>,
    /// Folder for artifacts while measuring; each block gets a new one in it [default: a temporary folder]
    #[arg(long, value_name = "DIR", help_heading = WHERE)]
    pub cache: Option<PathBuf>,
}

/// Measures what the command line asks for.
pub fn run(arguments: BenchArgs) -> Result<u8> {
    super::log_to_stderr();
    let (is_strict, out, cache) = (arguments.strict, arguments.out.clone(), arguments.cache.clone());
    let request = request(arguments)?;
    let resumed = request.interrupted.as_ref().map(|interrupted| interrupted.run.id.clone());
    let session = Session {
        id: resumed.unwrap_or_else(super::run_id),
        blocks: blocks(&request)?,
        request,
        is_strict,
        out: out.as_deref(),
        cache: cache.as_deref(),
    };
    let finished = session.run()?;
    println!("{}", finished.table(super::report::columns()));
    let code = session::conclude(&finished, is_strict);
    println!("{}", finished.dir().display());
    Ok(code)
}

fn request(arguments: BenchArgs) -> Result<RunRequest> {
    if let Some(dir) = &arguments.resume {
        return RunRequest::resume(dir);
    }
    let preset = match (arguments.quick, arguments.full) {
        (true, _) => preset::QUICK,
        (_, true) => preset::FULL,
        _ => preset::DEFAULT,
    };
    let preset = preset.repeated(arguments.repetitions.unwrap_or(preset.repetitions));
    let preset =
        preset.offered(arguments.arrivals.unwrap_or(preset.arrivals), arguments.slo.unwrap_or(preset.slo));
    let preset = match arguments.instances {
        Some(instances) => preset.dense(instances, Machine::look().available_memory_bytes / 10 * 9),
        None => preset,
    };
    let has_boundaries = arguments.boundaries;
    let arguments = if has_boundaries { with_boundaries(arguments) } else { arguments };
    let choice = Choice {
        specs: arguments.executor.into_iter().flat_map(|list| list.0).collect(),
        functions: arguments.function,
        variants: arguments.variant,
        reuses: arguments.reuse,
        experiments: experiments(arguments.only, &preset, !arguments.workers.is_empty()),
        workers: arguments.workers,
        placement: arguments.placement,
    };
    let request = RunRequest::new(choice, preset, arguments.seed.unwrap_or_else(rand::random))?;
    if has_boundaries {
        // The user named none of them, so the run goes on without those that this machine cannot draw.
        return Ok(RunRequest { is_explicit: false, ..request });
    }
    let has_beside = preset.has_beside
        && !request.is_explicit
        && request.matrix.experiments.contains(&Experiment::Startup);
    Ok(if has_beside { request.with_beside(executors::beside()) } else { request })
}

/// The experiments that show a boundary, unless the user chooses others.
const OF_BOUNDARIES: [Experiment; 4] =
    [Experiment::Startup, Experiment::Confinement, Experiment::Memory, Experiment::Load];

/// Fills in the choice that `--boundaries` stands for.
fn with_boundaries(mut arguments: BenchArgs) -> BenchArgs {
    arguments.executor = vec![SpecList(executors::boundaries())];
    if arguments.function.is_empty() {
        arguments.function = vec![SMALLEST.to_owned()];
    }
    if arguments.only.is_empty() {
        arguments.only = OF_BOUNDARIES.to_vec();
    }
    arguments
}

/// The chosen experiments; a choice of workers adds `contention`.
fn experiments(chosen: Vec<Experiment>, preset: &Preset, has_workers: bool) -> Vec<Experiment> {
    let mut experiments = if chosen.is_empty() { preset.experiments() } else { chosen };
    if has_workers && !experiments.contains(&Experiment::Contention) {
        experiments.push(Experiment::Contention);
    }
    experiments
}

/// Every block of one repetition; twins last but for executors of which only the start is measured.
fn blocks(request: &RunRequest) -> Result<Vec<Block>> {
    let mut blocks: Vec<_> = request.matrix.blocks(request.preset.narrow).collect();
    if blocks.is_empty() {
        return Err(BadInput::because("none of the functions has one of these variants"));
    }
    if request.preset.has_twins {
        blocks.extend(twins(&blocks));
    }
    blocks.extend(request.matrix.blocks_beside());
    Ok(blocks)
}
