//! The request for a run: from the command line, or from an interrupted run.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::{Function, Reuse, Spec, Variant};
use isolab_reports::folder::{self, RUN};
use isolab_reports::run::{Placement, RecordedSelection};
use isolab_reports::{Experiment, Run, RunStatus};

use super::plan::Matrix;
use super::preset::Preset;
use crate::exit::BadInput;
use crate::host::affinity;
use crate::{executors, library};

/// A user's choice. An empty list stands for the default.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Executors, resolved.
    pub specs: Vec<Spec>,
    /// Functions, by name or path.
    pub functions: Vec<String>,
    /// Variants.
    pub variants: Vec<Variant>,
    /// Reuse policies.
    pub reuses: Vec<Reuse>,
    /// Experiments.
    pub experiments: Vec<Experiment>,
    /// Which processors run what.
    pub placement: Placement,
    /// Numbers of workers.
    pub workers: Vec<usize>,
}

/// Everything that a run needs to know from its user.
#[derive(Debug)]
pub struct RunRequest {
    /// The cells to measure.
    pub matrix: Matrix,
    /// The same as text, from which the run can be resumed.
    pub recorded: RecordedSelection,
    /// Functions beside the lab's own.
    pub functions: Vec<PathBuf>,
    /// Numbers of workers, for the experiment `contention`.
    pub workers: Vec<usize>,
    /// The amounts to measure.
    pub preset: Preset,
    /// Decides the order.
    pub seed: u64,
    /// Whether the user named executors. Each of them must then be available.
    pub is_explicit: bool,
    /// The run to resume; none for a new run.
    pub interrupted: Option<InterruptedRun>,
}

/// A run that stopped before its end.
#[derive(Debug)]
pub struct InterruptedRun {
    /// Its folder.
    pub dir: PathBuf,
    /// Its `run.json`.
    pub run: Run,
}

impl RunRequest {
    /// A new run.
    ///
    /// # Errors
    /// If an executor or a function is chosen twice, or there is no such function.
    pub fn new(choice: Choice, preset: Preset, seed: u64) -> Result<Self> {
        executors::all_differ(&choice.specs)?;
        let is_explicit = !choice.specs.is_empty();
        let (functions, paths) = library::select_to_measure(&choice.functions)?;
        let default_variants = default_variants(&functions);
        let names = functions_as_text(&choice.functions, &functions, &paths);
        let default_experiments = || preset.experiments();
        let workers = unless_empty(choice.workers, || affinity::one_and_all(&affinity::usable()));
        let matrix = Matrix {
            specs: unless_empty(choice.specs, executors::by_default),
            functions,
            variants: unless_empty(choice.variants, || default_variants),
            reuses: unless_empty(choice.reuses, || vec![Reuse::Fresh, Reuse::Warm]),
            experiments: unless_empty(choice.experiments, default_experiments),
            beside: Vec::new(),
        };
        let recorded = RecordedSelection {
            executors: matrix.specs.iter().map(|spec| format!("{spec:#}")).collect(),
            functions: names,
            variants: matrix.variants.iter().map(ToString::to_string).collect(),
            reuses: matrix.reuses.iter().map(ToString::to_string).collect(),
            experiments: matrix.experiments.iter().map(ToString::to_string).collect(),
            placement: choice.placement,
            beside: Vec::new(),
            workers: workers.clone(),
        };
        Ok(Self { matrix, recorded, functions: paths, workers, preset, seed, is_explicit, interrupted: None })
    }

    /// The same run, which also measures the start of these executors.
    #[must_use]
    pub fn with_beside(mut self, beside: Vec<Spec>) -> Self {
        self.recorded.beside = beside.iter().map(|spec| format!("{spec:#}")).collect();
        self.matrix.beside = beside;
        self
    }

    /// The rest of an interrupted run, by its folder.
    ///
    /// # Errors
    /// If the folder holds no run that can be resumed.
    pub fn resume(dir: &Path) -> Result<Self> {
        let refused =
            |reason: String| BadInput::because(format!("{} cannot be resumed: {reason}", dir.display()));
        let run = folder::read_run(&dir.join(RUN)).map_err(|error| refused(error.to_string()))?;
        if run.status == RunStatus::Complete {
            return Err(refused("it is complete".into()));
        }
        let recorded = &run.selection;
        if recorded.executors.is_empty() {
            return Err(refused("`bench` did not begin it".into()));
        }
        let choice = Choice {
            specs: executors::specs(&recorded.executors)?,
            functions: recorded.functions.clone(),
            variants: parse_all(&recorded.variants).map_err(refused)?,
            reuses: parse_all(&recorded.reuses).map_err(refused)?,
            experiments: parse_all(&recorded.experiments).map_err(refused)?,
            placement: recorded.placement,
            workers: recorded.workers.clone(),
        };
        let (preset, seed) = (preset_of(&run).map_err(refused)?, run.seed);
        let dir = dir.canonicalize().with_context(|| dir.display().to_string())?;
        let beside = executors::specs(&run.selection.beside)?;
        let interrupted = Some(InterruptedRun { dir, run });
        // Executors that were not available at the run's beginning may still not be.
        let request = Self::new(choice, preset, seed)?.with_beside(beside);
        Ok(Self { is_explicit: false, interrupted, ..request })
    }
}

/// The preset that an interrupted run began with.
fn preset_of(run: &Run) -> Result<Preset, String> {
    let name = run.preset.get("name").and_then(|name| name.as_str()).unwrap_or_default();
    let is_named = |preset: &&Preset| serde_json::to_value(preset.name).is_ok_and(|it| it == name);
    let preset = Preset::ALL.into_iter().find(is_named);
    let preset = preset.ok_or_else(|| format!("there is no preset `{name}`"))?;
    let repetitions = run.preset.get("repetitions").and_then(serde_json::Value::as_u64);
    let repetitions = repetitions.and_then(|count| count.try_into().ok());
    let arrivals = run.preset.get("arrivals").cloned().map(serde_json::from_value);
    let arrivals = arrivals.transpose().map_err(|error| format!("its arrivals: {error}"))?;
    let slo = run.preset.get("slo_ns").and_then(serde_json::Value::as_u64).map(Duration::from_nanos);
    let preset = preset.offered(arrivals.unwrap_or(preset.arrivals), slo.unwrap_or(preset.slo));
    let preset = preset.repeated(repetitions.unwrap_or(preset.repetitions));
    let bound = |name: &str| run.preset.get("light")?.get("density")?.get(name)?.as_u64();
    Ok(match (bound("instances"), bound("bound_bytes")) {
        (Some(instances), Some(bytes)) if instances != preset.light.density.instances => {
            preset.dense(instances, bytes)
        }
        _ => preset,
    })
}

/// The variants that one of the functions has.
fn default_variants(functions: &[Function]) -> Vec<Variant> {
    let has = |variant: &Variant| functions.iter().any(|function| function.source(*variant).is_some());
    Variant::ALL.into_iter().filter(has).collect()
}

/// The lab's functions by name, others by their absolute path.
fn functions_as_text(chosen: &[String], functions: &[Function], paths: &[PathBuf]) -> Vec<String> {
    if chosen.is_empty() {
        return functions.iter().map(|function| function.name().to_owned()).collect();
    }
    let mut paths = paths.iter();
    let text = |chosen: &String| {
        let path = library::is_path(chosen).then(|| paths.next()).flatten();
        path.map_or_else(|| chosen.clone(), |path| path.display().to_string())
    };
    chosen.iter().map(text).collect()
}

fn parse_all<T: FromStr<Err: Display>>(texts: &[String]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| text.parse().map_err(|error: T::Err| error.to_string())).collect()
}

fn unless_empty<T>(chosen: Vec<T>, default: impl FnOnce() -> Vec<T>) -> Vec<T> {
    if chosen.is_empty() { default() } else { chosen }
}
