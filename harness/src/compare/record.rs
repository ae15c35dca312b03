//! The run folder of a comparison: its rows, from which the finding can be made again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_reports::folder::RUN;
use isolab_reports::paired::Paired;
use isolab_reports::run::{ComparedSide, ComparedSides, RecordedSelection, SCHEMA_VERSION};
use isolab_reports::{Cell, ExecutorInfo, Row, Run, RunStatus, Status};
use serde_json::{Map, json};

use super::request::ComparisonRequest;
use super::side::SideSetup;
use super::survey::SideFacts;
use crate::executors;
use crate::host::condition;
use crate::host::machine::{Build, Machine};
use crate::run::folder::RunWriter;
use crate::run::record::{as_map, command_line, prices};
use crate::run::utc::Utc;

/// A comparison in progress.
pub struct ComparisonRecord {
    folder: RunWriter,
    run: Run,
    rows: Vec<Row>,
}

impl ComparisonRecord {
    /// Writes the folder's first `run.json`.
    ///
    /// # Errors
    /// If the folder cannot be written, or is not empty.
    pub fn begin(
        dir: &Path,
        id: &str,
        request: &ComparisonRequest,
        uncounted: Option<String>,
    ) -> Result<Self> {
        let sides = request.sides.each_ref().map(|side| ComparedSide {
            label: side.label.clone(),
            executor: format!("{:#}", side.spec),
            function: function_of(side),
            binary: side.binary.display().to_string(),
        });
        let run = Run {
            schema: SCHEMA_VERSION,
            id: id.to_owned(),
            status: RunStatus::Running,
            command: command_line(std::env::args()),
            seed: request.seed,
            started: Utc::now().rfc3339(),
            ended: None,
            preset: Map::from_iter([("budget_s".to_owned(), json!(request.budget.as_secs()))]),
            machine: as_map(&Machine::look())?,
            build: as_map(&Build::look())?,
            executors: Vec::new(),
            cells: cells(request),
            notes: Vec::new(),
            host_warnings: condition::warnings(),
            prices: prices(),
            selection: RecordedSelection { placement: request.placement(), ..RecordedSelection::default() },
            blocks_done: Vec::new(),
            comparison: Some(ComparedSides {
                metric: request.metric.to_string(),
                margin_percent: 100.0 * request.aim.margin,
                sides,
                elapsed_ms: 0,
                uncounted,
            }),
        };
        let record = Self { folder: RunWriter::create(dir)?, run, rows: Vec::new() };
        record.save()?;
        Ok(record)
    }

    /// Its folder.
    pub fn folder(&self) -> &RunWriter {
        &self.folder
    }

    /// Notes the versions that the sides told.
    ///
    /// # Errors
    /// If `run.json` cannot be written.
    pub fn set_executors(&mut self, request: &ComparisonRequest, facts: &[SideFacts; 2]) -> Result<()> {
        for (side, facts) in request.sides.iter().zip(facts) {
            let spec = format!("{:#}", side.spec);
            if self.run.executors.iter().any(|known| known.spec == spec) {
                continue;
            }
            let model = executors::find(side.spec.name()).map(|known| known.model).unwrap_or_default();
            self.run.executors.push(ExecutorInfo {
                name: side.spec.to_string(),
                spec,
                model: model.to_owned(),
                versions: facts.versions.clone(),
                unavailable: None,
            });
        }
        self.save()
    }

    /// Writes rows to the disk.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&mut self, mut rows: Vec<Row>) -> Result<()> {
        self.folder.append(&rows)?;
        self.rows.append(&mut rows);
        Ok(())
    }

    /// The comparison so far.
    pub fn paired(&self, request: &ComparisonRequest) -> Paired {
        Paired::from_rows(&self.rows, request.metric, request.aim)
    }

    /// Writes how the comparison ended.
    ///
    /// # Errors
    /// If `run.json` cannot be written.
    pub fn finish(mut self, status: RunStatus, elapsed: Duration, reason: Option<&str>) -> Result<Run> {
        self.run.status = status;
        self.run.ended = Some(Utc::now().rfc3339());
        let outcome = match status {
            RunStatus::Complete => Status::Ok,
            RunStatus::Failed => Status::Failed,
            RunStatus::Running | RunStatus::Interrupted => Status::Pending,
        };
        for cell in &mut self.run.cells {
            cell.status = outcome;
            cell.reason = reason.map(str::to_owned);
        }
        if let Some(compared) = &mut self.run.comparison {
            compared.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        }
        self.save()?;
        Ok(self.run)
    }

    fn save(&self) -> Result<()> {
        self.folder.replace_json(RUN, &self.run).context("the record of the comparison")
    }
}

fn function_of(side: &SideSetup) -> String {
    side.function_path
        .as_ref()
        .map_or_else(|| side.function.name().to_owned(), |path| path.display().to_string())
}

fn cells(request: &ComparisonRequest) -> Vec<Cell> {
    let cell = |side: &SideSetup| Cell {
        executor: format!("{:#}", side.spec),
        function: side.function.name().to_owned(),
        variant: side.variant.to_string(),
        reuse: request.reuse.to_string(),
        twin: false,
        status: Status::Pending,
        invalid: None,
        reason: None,
    };
    request.sides.iter().map(cell).collect()
}
