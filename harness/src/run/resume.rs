//! Resuming an interrupted run.

use std::collections::HashSet;

use anyhow::Result;
use isolab_reports::row::HOST;
use isolab_reports::{Row, RunStatus};

use super::folder::RunWriter;
use super::plan::{Block, Planned};
use super::record::{RunFacts, RunRecord, as_map};
use super::request::InterruptedRun;
use super::utc::Utc;
use crate::exit::BadInput;

impl RunRecord {
    /// Opens the folder of an interrupted run. Rows of unfinished blocks are dropped; these
    /// blocks are measured again.
    ///
    /// # Errors
    /// If this binary or this machine is not the one that began the run.
    pub fn resume(interrupted: InterruptedRun, plan: &[Planned], now: &RunFacts<'_>) -> Result<Self> {
        let InterruptedRun { dir, mut run } = interrupted;
        let differs = |what: &str| {
            BadInput::because(format!(
                "{} cannot be resumed: it began {what}, and all figures of a run must be comparable; begin a new run",
                dir.display()
            ))
        };
        if run.build != as_map(now.build)? {
            return Err(differs("with another build"));
        }
        let machine = as_map(now.machine)?;
        if MACHINE.iter().any(|fact| run.machine.get(*fact) != machine.get(*fact)) {
            return Err(differs("on another machine, or another kernel"));
        }
        run.status = RunStatus::Running;
        run.ended = None;
        run.notes.push(format!("Interrupted, and resumed at {}.", Utc::now().rfc3339()));
        let warnings = now.host_warnings.iter().filter(|warning| !run.host_warnings.contains(warning));
        let warnings: Vec<_> = warnings.cloned().collect();
        run.host_warnings.extend(warnings);
        let done: HashSet<_> = plan
            .iter()
            .filter(|planned| run.blocks_done.contains(&planned.place))
            .map(|planned| BlockKey::of_block(&planned.block))
            .collect();
        let folder =
            RunWriter::reopen(&dir, |row| row.executor == HOST || done.contains(&BlockKey::of_row(row)))?;
        let run = Self { folder, run };
        run.save()?;
        Ok(run)
    }
}

/// Facts about a machine that do not change while it runs.
const MACHINE: [&str; 4] = ["cpu", "cpus_count", "memory_bytes", "kernel"];

/// Identifies a block in the rows of a run.
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
