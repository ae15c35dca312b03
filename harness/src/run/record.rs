//! The record of a run, which is its `run.json`: facts, and the outcome of every cell so far.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::figures::{InvalidCell, Validity};
use isolab_reports::folder::{self, RUN};
use isolab_reports::run::{Prices, RecordedSelection, SCHEMA_VERSION};
use isolab_reports::{Cell, ExecutorInfo, Format, Row, RunStatus, Status, Summary, render};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::executors;
use crate::host::machine::{Build, Machine};
use crate::run::availability::{Availability, obstacle};
use crate::run::folder::{FolderError, RunWriter};
use crate::run::plan::Block;
use crate::run::preset::Preset;
use crate::run::utc::Utc;

/// A run that has begun.
pub struct RunRecord {
    /// Its folder.
    pub folder: RunWriter,
    pub(super) run: isolab_reports::Run,
}

/// Everything known before the first cell is measured.
pub struct RunFacts<'a> {
    /// The run's id.
    pub id: &'a str,
    /// The seed of the order.
    pub seed: u64,
    /// The amounts to measure.
    pub preset: &'a Preset,
    /// The machine.
    pub machine: &'a Machine,
    /// How this binary was built.
    pub build: &'a Build,
    /// The availability of each executor.
    pub executors: &'a [Availability],
    /// Every block of one repetition, also those that cannot run.
    pub blocks: &'a [Block],
    /// Remarks for the report's readers.
    pub notes: Vec<String>,
    /// Why the host is not fit to measure on.
    pub host_warnings: Vec<String>,
    /// The request, as text.
    pub selection: RecordedSelection,
}

impl RunRecord {
    /// Writes the folder's first `run.json`.
    pub fn begin(folder: RunWriter, facts: &RunFacts<'_>) -> Result<Self> {
        let RunFacts { id, seed, preset, machine, build, executors, blocks, .. } = *facts;
        let run = isolab_reports::Run {
            schema: SCHEMA_VERSION,
            id: id.to_owned(),
            status: RunStatus::Running,
            command: command_line(std::env::args()),
            seed,
            started: Utc::now().rfc3339(),
            ended: None,
            preset: as_map(preset)?,
            machine: as_map(machine)?,
            build: as_map(build)?,
            executors: executors.iter().map(info).collect(),
            cells: blocks.iter().flat_map(|block| cells(block, executors)).collect(),
            notes: facts.notes.clone(),
            host_warnings: facts.host_warnings.clone(),
            prices: prices(),
            selection: facts.selection.clone(),
            blocks_done: Vec::new(),
            comparison: None,
        };
        let run = Self { folder, run };
        run.save()?;
        Ok(run)
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.run.id
    }

    /// Whether the block at this place of the order has been measured.
    pub fn is_done(&self, place: u32) -> bool {
        self.run.blocks_done.contains(&place)
    }

    /// Notes that the block at this place has all its rows, and writes `run.json`.
    pub fn set_done(&mut self, place: u32) -> Result<(), FolderError> {
        self.run.blocks_done.push(place);
        self.save()
    }

    /// Adds a note for the report's readers, unless it stands there already.
    pub fn add_note(&mut self, note: String) {
        if !self.run.notes.contains(&note) {
            self.run.notes.push(note);
        }
    }

    /// Notes the outcome of a cell. A cell that failed once stays failed.
    pub fn set_outcome(&mut self, block: &Block, reuse: Reuse, outcome: &Result<()>) {
        let key = (format!("{:#}", block.spec), block.variant.to_string(), reuse.to_string());
        let is_this = |cell: &&mut Cell| {
            (&cell.executor, &cell.variant, &cell.reuse) == (&key.0, &key.1, &key.2)
                && cell.function == block.function.name()
                && cell.twin == block.is_twin
        };
        if let Some(cell) = self.run.cells.iter_mut().find(is_this) {
            match outcome {
                Ok(()) if cell.status == Status::Pending => cell.status = Status::Ok,
                Ok(()) => {}
                Err(error) => {
                    cell.status = Status::Failed;
                    cell.reason.get_or_insert_with(|| format!("{error:#}"));
                }
            }
        }
    }

    /// Writes `run.json` as it is now.
    pub fn save(&self) -> Result<(), FolderError> {
        self.folder.replace_json(RUN, &self.run)
    }

    /// Marks the cells whose figures at fixed rates are invalid, because the load generator was late.
    fn judge_generator(&mut self, rows: &[Row]) {
        let invalid = Validity::of(rows).cells;
        for cell in &mut self.run.cells {
            let is_of = |judged: &&InvalidCell| {
                (&judged.executor, &judged.function, &judged.variant, &judged.reuse, judged.is_twin)
                    == (&cell.executor, &cell.function, &cell.variant, &cell.reuse, cell.twin)
            };
            cell.invalid = invalid.iter().find(is_of).map(InvalidCell::reason);
        }
    }

    /// Writes how the run ended, and its reports.
    pub fn finish(mut self, status: RunStatus) -> Result<FinishedRun> {
        self.run.status = status;
        self.run.ended = Some(Utc::now().rfc3339());
        self.save()?;
        let mut run = folder::read(self.folder.dir())?;
        self.judge_generator(&run.rows);
        self.save()?;
        run.run = self.run;
        let summary = Summary::of(&run);
        for format in Format::ALL {
            self.folder.replace(format.file_name(), render(&summary, format).as_bytes())?;
        }
        Ok(FinishedRun { folder: self.folder, summary })
    }
}

/// A run that has ended.
pub struct FinishedRun {
    folder: RunWriter,
    summary: Summary,
}

impl FinishedRun {
    /// The table for a terminal of this width.
    pub fn table(&self, width: Option<u16>) -> String {
        render::terminal::render(&self.summary, width)
    }

    /// How it ended.
    pub fn status(&self) -> RunStatus {
        self.summary.run.status
    }

    /// Its figures.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Why the host was not fit to measure on.
    pub fn host_warnings(&self) -> impl Iterator<Item = String> {
        self.summary.host_warnings()
    }

    /// Cells that failed, with their reasons.
    pub fn failed(&self) -> impl Iterator<Item = &Cell> {
        self.summary.run.cells.iter().filter(|cell| cell.status == Status::Failed)
    }

    /// The executor spec of a cell in short form.
    pub fn executor<'a>(&'a self, cell: &'a Cell) -> &'a str {
        self.summary.short_name(&cell.executor)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.folder.dir()
    }
}

/// The price list that costs are derived from: a serverless platform that prices both
/// processor time and memory.
pub fn prices() -> Prices {
    Prices {
        per_cpu_second: 0.000_024,
        per_gib_second: 0.000_002_5,
        currency: "USD".into(),
        source: "Google Cloud Run, request-based billing, tier 1 region, list price (cloud.google.com/run/pricing)".into(),
    }
}

/// A value as a JSON object.
pub fn as_map(value: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(value)? {
        Value::Object(map) => Ok(map),
        other => anyhow::bail!("not an object: {other}"),
    }
}

fn info(executor: &Availability) -> ExecutorInfo {
    let model = executors::find(executor.spec.name()).map(|known| known.model).unwrap_or_default();
    let versions: BTreeMap<String, String> = executor.versions.clone().unwrap_or_default();
    ExecutorInfo {
        name: executor.spec.to_string(),
        spec: format!("{:#}", executor.spec),
        model: model.to_owned(),
        versions: versions.into_iter().collect(),
        unavailable: executor.versions.clone().err(),
    }
}

fn cells<'a>(block: &'a Block, executors: &'a [Availability]) -> impl Iterator<Item = Cell> + 'a {
    let (status, reason) = match obstacle(block, executors) {
        None => (Status::Pending, None),
        Some((status, reason)) => (status, Some(reason)),
    };
    block.reuses.iter().map(move |reuse| Cell {
        executor: format!("{:#}", block.spec),
        function: block.function.name().to_owned(),
        variant: block.variant.to_string(),
        reuse: reuse.to_string(),
        twin: block.is_twin,
        status,
        reason: reason.clone(),
        invalid: None,
    })
}

/// The folder of a run for which none was given.
pub fn default_dir(id: &str) -> Result<std::path::PathBuf> {
    let dir = std::env::current_dir().context("cannot find the current folder")?;
    Ok(dir.join("runs").join(id))
}

/// The arguments of this process. The binary has its name only: its path is another one on each
/// machine.
pub fn command_line(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut arguments = arguments.into_iter();
    let binary = arguments.next().map(|path| match Path::new(&path).file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => path,
    });
    binary.into_iter().chain(arguments).collect()
}

#[cfg(test)]
mod tests {
    use isolab_core::{Spec, Variant};

    use super::*;
    use crate::run::preset::QUICK;
    use isolab_reports::Experiment;

    fn block() -> Block {
        let library = crate::library::open(&[]).unwrap();
        Block {
            spec: Spec::parse("direct").unwrap(),
            function: library.get("hello").unwrap().clone(),
            variant: Variant::Rust,
            reuses: vec![Reuse::Fresh, Reuse::Warm],
            experiments: Experiment::ALL.to_vec(),
            is_twin: false,
            repetition: 0,
        }
    }

    fn executor() -> Availability {
        Availability { spec: block().spec, versions: Ok(BTreeMap::new()), unsupported: Vec::new() }
    }

    #[test]
    fn the_command_names_the_binary_and_keeps_its_arguments() {
        let of = |words: &[&str]| command_line(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(of(&["/opt/lab/isolab", "bench", "--out", "/a/b"]), ["isolab", "bench", "--out", "/a/b"]);
        assert_eq!(of(&[".."]), [".."]);
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn a_cell_that_failed_once_stays_failed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunWriter::create(&parent.path().join("run")).unwrap();
        let facts = RunFacts {
            id: "test",
            seed: 1,
            preset: &QUICK,
            machine: &Machine::look(),
            build: &Build::look(),
            executors: &[executor()],
            blocks: &[block()],
            notes: Vec::new(),
            host_warnings: Vec::new(),
            selection: RecordedSelection::default(),
        };
        let mut run = RunRecord::begin(folder, &facts).unwrap();
        run.set_outcome(&block(), Reuse::Warm, &Err(anyhow::anyhow!("first")));
        run.set_outcome(&block(), Reuse::Warm, &Err(anyhow::anyhow!("second")));
        run.set_outcome(&block(), Reuse::Warm, &Ok(()));
        run.set_outcome(&block(), Reuse::Fresh, &Ok(()));
        let ended = run.finish(RunStatus::Complete).unwrap();
        let failed: Vec<_> =
            ended.failed().map(|cell| (cell.reuse.as_str(), cell.reason.as_deref())).collect();
        assert_eq!(failed, [("warm", Some("first"))]);
        assert!(ended.dir().join("report.md").is_file());
    }
}
