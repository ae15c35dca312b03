//! What a run is to measure: as the command line says it, or as an interrupted run was
//! asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isolab_core::{Reuse, Spec, Variant};
use isolab_reports::Experiment;
use isolab_reports::folder::{self, RUN};
use isolab_reports::run::RecordedSelection as Recorded;
use isolab_reports::{Run, RunStatus};

use crate::cli::bench::BenchArgs;
use crate::exit::BadInput;
use crate::run::plan::Selection;
use crate::run::preset::{self, Preset};
use crate::{executors, library};

/// Everything that a run is asked for.
#[derive(Debug)]
pub struct Asked {
    /// What is measured.
    pub selection: Selection,
    /// The same as text, to be asked for again.
    pub recorded: Recorded,
    /// Functions beside the lab's own.
    pub functions: Vec<PathBuf>,
    /// How much is measured.
    pub preset: Preset,
    /// Decides the order.
    pub seed: u64,
    /// Whether executors were named: each of them then has to be there.
    pub is_explicit: bool,
    /// The run that is taken up.
    pub taken_up: Option<TakenUp>,
}

/// An interrupted run.
#[derive(Debug)]
pub struct TakenUp {
    /// Its folder.
    pub dir: PathBuf,
    /// What it was when it stopped.
    pub run: Run,
}

impl Asked {
    /// What the command line asks for.
    pub fn by(arguments: &BenchArgs) -> Result<Self> {
        if let Some(dir) = &arguments.resume {
            return Self::again(dir);
        }
        let texts = Recorded {
            executors: arguments.executor.clone(),
            functions: arguments.function.clone(),
            variants: arguments.variant.clone(),
            reuses: arguments.reuse.clone(),
            experiments: arguments.only.clone(),
        };
        let preset = match (arguments.quick, arguments.full) {
            (true, _) => preset::QUICK,
            (_, true) => preset::FULL,
            _ => preset::DEFAULT,
        };
        let preset = preset.repeated(arguments.repetitions.unwrap_or(preset.repetitions));
        let is_explicit = !arguments.executor.is_empty();
        Self::of(&texts, &preset, arguments.seed.unwrap_or_else(rand::random), is_explicit, None)
    }

    /// What an interrupted run was asked for.
    fn again(dir: &Path) -> Result<Self> {
        let refused =
            |reason: String| BadInput::because(format!("{} cannot be taken up: {reason}", dir.display()));
        let run = folder::read_run(&dir.join(RUN)).map_err(|error| refused(error.to_string()))?;
        if run.status == RunStatus::Complete {
            return Err(refused("it is complete".into()));
        }
        if run.selection.executors.is_empty() {
            return Err(refused("what it measured was not asked for by `bench`".into()));
        }
        let name = run.preset.get("name").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
        let is_named = |preset: &&Preset| serde_json::to_value(preset.name).is_ok_and(|it| it == name);
        let preset = Preset::ALL
            .into_iter()
            .find(is_named)
            .ok_or_else(|| refused(format!("there is no preset `{name}`")))?;
        let repetitions = run.preset.get("repetitions").and_then(serde_json::Value::as_u64);
        let preset =
            preset.repeated(repetitions.and_then(|many| many.try_into().ok()).unwrap_or(preset.repetitions));
        let (texts, seed) = (run.selection.clone(), run.seed);
        let dir = dir.canonicalize().with_context(|| dir.display().to_string())?;
        Self::of(&texts, &preset, seed, false, Some(TakenUp { dir, run }))
    }

    fn of(
        texts: &Recorded,
        preset: &Preset,
        seed: u64,
        is_explicit: bool,
        taken_up: Option<TakenUp>,
    ) -> Result<Self> {
        let specs = or(executors::specs(&texts.executors)?, executors::compiled_in());
        let (functions, paths) = library::select(&texts.functions)?;
        let variants = each(&texts.variants, crate::cli::variant)?;
        let reuses = each(&texts.reuses, |text| Ok(text.parse::<Reuse>()?))?;
        let experiments = each(&texts.experiments, |text| {
            text.parse::<Experiment>().map_err(|reason| BadInput::because(format!("--only: {reason}")))
        })?;
        let selection = Selection {
            specs,
            functions,
            variants: or(variants, vec![Variant::Rust, Variant::Js]),
            reuses: or(reuses, vec![Reuse::Fresh, Reuse::Warm]),
            experiments: or(experiments, Experiment::ALL.to_vec()),
        };
        let recorded = Recorded {
            executors: selection.specs.iter().map(|spec: &Spec| format!("{spec:#}")).collect(),
            functions: functions_as_text(texts, &selection, &paths),
            variants: selection.variants.iter().map(ToString::to_string).collect(),
            reuses: selection.reuses.iter().map(ToString::to_string).collect(),
            experiments: selection.experiments.iter().map(ToString::to_string).collect(),
        };
        Ok(Self { selection, recorded, functions: paths, preset: *preset, seed, is_explicit, taken_up })
    }
}

/// The functions by name, those from elsewhere by their path.
fn functions_as_text(texts: &Recorded, selection: &Selection, paths: &[PathBuf]) -> Vec<String> {
    if texts.functions.is_empty() {
        return selection.functions.iter().map(|function| function.name().to_owned()).collect();
    }
    let mut paths = paths.iter();
    let text = |asked: &String| {
        let path = asked.contains('/').then(|| paths.next()).flatten();
        path.map_or_else(|| asked.clone(), |path| path.display().to_string())
    };
    texts.functions.iter().map(text).collect()
}

fn each<T>(texts: &[String], parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    texts.iter().map(|text| parse(text)).collect()
}

fn or<T>(asked: Vec<T>, otherwise: Vec<T>) -> Vec<T> {
    if asked.is_empty() { otherwise } else { asked }
}
