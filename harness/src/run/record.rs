//! A run while it goes on: its folder, and what came of every cell so far.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::folder::{self, RUN};
use isolab_reports::row::HOST;
use isolab_reports::run::{RecordedSelection, SCHEMA_VERSION};
use isolab_reports::{Cell, ExecutorInfo, Format, Row, RunStatus, Status, Summary, render};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::executors;
use crate::exit::BadInput;
use crate::host::machine::{Build, Machine};
use crate::run::folder::{FolderError, RunFolder};
use crate::run::plan::{Block, Planned};
use crate::run::preset::Preset;
use crate::run::request::TakenUp;
use crate::run::utc::Utc;
use crate::session::survey::Survey;

/// A run that goes on.
pub struct OpenRun {
    /// Where it is written to.
    pub folder: RunFolder,
    run: isolab_reports::Run,
}

/// What is known before the first cell is measured.
pub struct Beginning<'a> {
    /// The run's id.
    pub id: &'a str,
    /// The seed of the order.
    pub seed: u64,
    /// How much is measured.
    pub preset: &'a Preset,
    /// The machine.
    pub machine: &'a Machine,
    /// How this binary was built.
    pub build: &'a Build,
    /// What each executor can run.
    pub surveys: &'a [Survey],
    /// Every block of one repetition, also those that cannot run.
    pub blocks: &'a [Block],
    /// What a reader must know besides.
    pub notes: Vec<String>,
    /// Why the host is no good one to measure on.
    pub host_warnings: Vec<String>,
    /// What was asked for.
    pub selection: RecordedSelection,
}

impl OpenRun {
    /// Writes the folder's first `run.json`.
    pub fn begin(folder: RunFolder, beginning: &Beginning<'_>) -> Result<Self> {
        let Beginning { id, seed, preset, machine, build, surveys, blocks, .. } = *beginning;
        let run = isolab_reports::Run {
            schema: SCHEMA_VERSION,
            id: id.to_owned(),
            status: RunStatus::Running,
            command: std::env::args().collect(),
            seed,
            started: Utc::now().rfc3339(),
            ended: None,
            preset: facts(preset)?,
            machine: facts(machine)?,
            build: facts(build)?,
            executors: surveys.iter().map(info).collect(),
            cells: blocks.iter().flat_map(|block| cells(block, surveys)).collect(),
            notes: beginning.notes.clone(),
            host_warnings: beginning.host_warnings.clone(),
            prices: crate::run::prices::DEFAULT.into(),
            selection: beginning.selection.clone(),
            blocks_done: Vec::new(),
        };
        let run = Self { folder, run };
        run.save()?;
        Ok(run)
    }

    /// Opens the folder of a run that did not come to its end. It goes on with what this
    /// binary and this machine measure, so both must be those that it began with.
    /// Rows of blocks that were not finished are dropped: those are measured again.
    pub fn take_up(taken_up: TakenUp, plan: &[Planned], now: &Beginning<'_>) -> Result<Self> {
        let TakenUp { dir, mut run } = taken_up;
        let differs = |what: &str| {
            BadInput::because(format!(
                "{} cannot be taken up: it was begun {what}; all figures of a run must be comparable",
                dir.display()
            ))
        };
        if run.build != facts(now.build)? {
            return Err(differs("with another build"));
        }
        let machine = facts(now.machine)?;
        if MACHINE.iter().any(|fact| run.machine.get(*fact) != machine.get(*fact)) {
            return Err(differs("on another machine, or another kernel"));
        }
        run.status = RunStatus::Running;
        run.ended = None;
        run.notes.push(format!("Interrupted, and taken up again {}.", Utc::now().rfc3339()));
        let warnings = now.host_warnings.iter().filter(|warning| !run.host_warnings.contains(warning));
        let warnings: Vec<_> = warnings.cloned().collect();
        run.host_warnings.extend(warnings);
        let done: HashSet<_> = plan
            .iter()
            .filter(|planned| run.blocks_done.contains(&planned.place))
            .map(|planned| BlockKey::of_block(&planned.block))
            .collect();
        let folder =
            RunFolder::reopen(&dir, |row| row.executor == HOST || done.contains(&BlockKey::of_row(row)))?;
        let run = Self { folder, run };
        run.save()?;
        Ok(run)
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.run.id
    }

    /// Whether the block at this place of the order was measured.
    pub fn is_done(&self, place: u32) -> bool {
        self.run.blocks_done.contains(&place)
    }

    /// Notes that the block at this place has all its rows, and writes `run.json`.
    pub fn done(&mut self, place: u32) -> Result<(), FolderError> {
        self.run.blocks_done.push(place);
        self.save()
    }

    /// Notes what came of a cell. A later repetition never makes a failed cell good.
    pub fn note(&mut self, block: &Block, reuse: Reuse, outcome: &Result<()>) {
        let key = (format!("{:#}", block.spec), block.variant.to_string(), reuse.to_string());
        let is_meant = |cell: &&mut Cell| {
            (&cell.executor, &cell.variant, &cell.reuse) == (&key.0, &key.1, &key.2)
                && cell.function == block.function.name()
                && cell.twin == block.is_twin
        };
        if let Some(cell) = self.run.cells.iter_mut().find(is_meant) {
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

    /// Writes how the run ended, and the reports.
    pub fn finish(mut self, status: RunStatus) -> Result<Ended> {
        self.run.status = status;
        self.run.ended = Some(Utc::now().rfc3339());
        self.save()?;
        let run = folder::read(self.folder.dir())?;
        let summary = Summary::of(&run);
        for format in Format::ALL {
            self.folder.replace(format.file_name(), render(&run, &summary, format).as_bytes())?;
        }
        Ok(Ended { folder: self.folder, summary })
    }
}

/// Facts about a machine that do not change while it runs.
const MACHINE: [&str; 4] = ["cpu", "cpus_count", "memory_bytes", "kernel"];

/// What tells the rows of one block from those of others.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BlockKey {
    executor: String,
    function: String,
    variant: String,
    is_twin: bool,
    repetition: u32,
}

impl BlockKey {
    fn of_block(block: &Block) -> Self {
        Self {
            executor: format!("{:#}", block.spec),
            function: block.function.name().to_owned(),
            variant: block.variant.to_string(),
            is_twin: block.is_twin,
            repetition: block.repetition,
        }
    }

    fn of_row(row: &Row) -> Self {
        Self {
            executor: row.executor.clone(),
            function: row.function.clone(),
            variant: row.variant.clone(),
            is_twin: row.twin == Some(true),
            repetition: row.repetition,
        }
    }
}

/// A run that has ended.
pub struct Ended {
    folder: RunFolder,
    summary: Summary,
}

impl Ended {
    /// The table for a terminal of this width.
    pub fn table(&self, width: Option<u16>) -> String {
        render::terminal::render(&self.summary, width)
    }

    /// How it ended.
    pub fn status(&self) -> RunStatus {
        self.summary.run.status
    }

    /// What its rows come to.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Why the host was no good one.
    pub fn host_warnings(&self) -> impl Iterator<Item = String> {
        self.summary.host_warnings()
    }

    /// Cells that failed, with their reasons.
    pub fn failed(&self) -> impl Iterator<Item = &Cell> {
        self.summary.run.cells.iter().filter(|cell| cell.status == Status::Failed)
    }

    /// The executor of a cell in short form.
    pub fn executor<'a>(&'a self, cell: &'a Cell) -> &'a str {
        self.summary.short_name(&cell.executor)
    }

    /// Where everything is.
    pub fn dir(&self) -> &Path {
        self.folder.dir()
    }
}

fn facts(value: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(value)? {
        Value::Object(facts) => Ok(facts),
        other => anyhow::bail!("facts of a run must have names: {other}"),
    }
}

fn info(survey: &Survey) -> ExecutorInfo {
    let model = executors::find(survey.spec.name()).map(|known| known.model).unwrap_or_default();
    let versions: BTreeMap<String, String> = survey.versions.clone().unwrap_or_default();
    ExecutorInfo {
        name: survey.spec.to_string(),
        spec: format!("{:#}", survey.spec),
        model: model.to_owned(),
        versions: versions.into_iter().collect(),
        unavailable: survey.versions.clone().err(),
    }
}

fn cells<'a>(block: &'a Block, surveys: &'a [Survey]) -> impl Iterator<Item = Cell> + 'a {
    let (status, reason) = match obstacle(block, surveys) {
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
    })
}

/// Why a block cannot be measured, if it cannot.
pub fn obstacle(block: &Block, surveys: &[Survey]) -> Option<(Status, String)> {
    let survey = surveys.iter().find(|survey| survey.spec == block.spec)?;
    if let Err(reason) = &survey.versions {
        return Some((Status::Unavailable, reason.clone()));
    }
    let reason = survey.unsupported(block.function.name(), block.variant)?;
    Some((Status::Skipped, reason.to_owned()))
}

/// The directory of a run without a given one.
pub fn default_dir(id: &str) -> Result<std::path::PathBuf> {
    let dir = std::env::current_dir().context("the current folder is gone")?;
    Ok(dir.join("runs").join(id))
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

    fn survey(versions: Result<BTreeMap<String, String>, String>) -> Survey {
        Survey { spec: block().spec, versions, unsupported: Vec::new() }
    }

    #[test]
    fn a_cell_that_failed_once_stays_failed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(&parent.path().join("run")).unwrap();
        let beginning = Beginning {
            id: "test",
            seed: 1,
            preset: &QUICK,
            machine: &Machine::look(),
            build: &Build::look(),
            surveys: &[survey(Ok(BTreeMap::new()))],
            blocks: &[block()],
            notes: Vec::new(),
            host_warnings: Vec::new(),
            selection: RecordedSelection::default(),
        };
        let mut run = OpenRun::begin(folder, &beginning).unwrap();
        run.note(&block(), Reuse::Warm, &Err(anyhow::anyhow!("first")));
        run.note(&block(), Reuse::Warm, &Err(anyhow::anyhow!("second")));
        run.note(&block(), Reuse::Warm, &Ok(()));
        run.note(&block(), Reuse::Fresh, &Ok(()));
        let ended = run.finish(RunStatus::Complete).unwrap();
        let failed: Vec<_> =
            ended.failed().map(|cell| (cell.reuse.as_str(), cell.reason.as_deref())).collect();
        assert_eq!(failed, [("warm", Some("first"))]);
        assert!(ended.dir().join("report.md").is_file());
    }

    #[test]
    fn what_cannot_run_has_its_reason() {
        assert_eq!(obstacle(&block(), &[survey(Ok(BTreeMap::new()))]), None);
        let (status, reason) = obstacle(&block(), &[survey(Err("no engine".into()))]).unwrap();
        assert_eq!((status, reason.as_str()), (Status::Unavailable, "no engine"));
        let mut fussy = survey(Ok(BTreeMap::new()));
        fussy.unsupported.push(("hello".into(), Variant::Rust, "by nature".into()));
        assert_eq!(obstacle(&block(), &[fussy]).unwrap().0, Status::Skipped);
    }
}
