//! The rows of one block on their way into the run folder.

use std::time::Duration;

use isolab_core::Reuse;
use isolab_core::laps::nanoseconds;
use isolab_frontend::admin::api::PhaseLine;
use isolab_reports::row::Cold;
use isolab_reports::{Latencies, Row};

use crate::run::folder::{FolderError, RunWriter};
use crate::run::plan::Block;

/// Collects the rows of a step and writes them when the step is done, so that rows of a failed
/// step are not taken for results.
pub struct Rows<'a> {
    folder: &'a mut RunWriter,
    base: Row,
    waiting: Vec<Row>,
    remarks: Vec<String>,
}

impl<'a> Rows<'a> {
    /// For the rows of one block.
    pub fn new(folder: &'a mut RunWriter, block: &Block, build: &str) -> Self {
        let base = Row {
            executor: format!("{:#}", block.spec),
            function: block.function.name().to_owned(),
            variant: block.variant.to_string(),
            repetition: block.repetition,
            twin: block.is_twin.then_some(true),
            build: build.to_owned(),
            ..Row::default()
        };
        Self { folder, base, waiting: Vec::new(), remarks: Vec::new() }
    }

    /// A row of this block.
    pub fn row(&self, phase: &str, sample: u64) -> Row {
        Row { phase: phase.to_owned(), sample, ..self.base.clone() }
    }

    /// A row of the block's cell with this reuse policy.
    pub fn row_of(&self, reuse: Reuse, phase: &str, sample: u64) -> Row {
        Row { reuse: Some(reuse.to_string()), ..self.row(phase, sample) }
    }

    /// Adds a figure to the step.
    pub fn add(&mut self, row: &Row, metric: &str, value: u64) {
        self.waiting.push(Row { metric: metric.to_owned(), value, ..row.clone() });
    }

    /// Adds a duration to the step.
    pub fn add_duration(&mut self, row: &Row, duration: Duration) {
        self.add(row, "duration_ns", nanoseconds(duration));
    }

    /// Adds a distribution of latencies to the step, and their number under `metric`.
    pub fn add_latencies(&mut self, row: &Row, metric: &str, latencies: impl Into<Latencies>) {
        let latencies = latencies.into();
        let count = latencies.count();
        self.add(&Row { histogram: Some(latencies), ..row.clone() }, metric, count);
    }

    /// Adds a phase with its laps to the step.
    pub fn add_phase(&mut self, row: &Row, line: &PhaseLine) {
        let row = Row { instance: line.instance, uses: line.uses, cached: line.cached, ..row.clone() };
        let name = line.phase.to_string();
        self.add(&Row { phase: name.clone(), ..row.clone() }, "duration_ns", line.duration_ns);
        if let Some(bytes) = line.artifact_bytes {
            let source_digest = line.source_digest.clone();
            self.add(&Row { phase: name.clone(), source_digest, ..row.clone() }, "artifact_bytes", bytes);
        }
        for (lap, duration_ns) in &line.laps {
            self.add(&Row { phase: format!("{name}.{lap}"), ..row.clone() }, "duration_ns", *duration_ns);
        }
    }

    /// Adds a response as its client saw it.
    pub fn add_response(&mut self, row: &Row, cold: Option<Cold>, duration: Duration) {
        self.add_duration(&Row { phase: "response".to_owned(), cold, ..row.clone() }, duration);
    }

    /// Adds a remark for the readers of the run.
    pub fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// The remarks on the block.
    pub fn into_remarks(self) -> Vec<String> {
        self.remarks
    }

    /// Writes the rows of the step.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn commit(&mut self) -> Result<(), FolderError> {
        let rows = std::mem::take(&mut self.waiting);
        self.folder.append(&rows)
    }

    /// Drops the rows of a failed step.
    pub fn discard(&mut self) {
        self.waiting.clear();
    }
}
