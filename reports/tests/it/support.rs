//! The parts of every made-up run; a test adds only its own facts.

use isolab_reports::run::{Prices, RecordedSelection, SCHEMA_VERSION};
use isolab_reports::{Cell, ExecutorInfo, Row, Run, RunStatus, Status};
use serde_json::{Map, Value, json};

/// The keys that all rows of one block share.
pub(crate) fn block(executor: &str, function: &str, variant: &str) -> Row {
    Row {
        executor: executor.into(),
        function: function.into(),
        variant: variant.into(),
        build: "dev, opt-level 3".into(),
        ..Row::default()
    }
}

/// A number with the keys of `base`.
pub(crate) fn number(base: &Row, phase: &str, metric: &str, value: u64) -> Row {
    Row { phase: phase.into(), metric: metric.into(), value, ..base.clone() }
}

/// The `run.json` of a complete run on an unknown machine.
pub(crate) fn run(executors: Vec<ExecutorInfo>, cells: Vec<Cell>) -> Run {
    Run {
        schema: SCHEMA_VERSION,
        id: "2026-11-22T120000Z".into(),
        status: RunStatus::Complete,
        command: vec!["isolab".into(), "bench".into(), "--quick".into()],
        seed: 7,
        started: "2026-11-22T12:00:00Z".into(),
        ended: Some("2026-11-22T12:02:30Z".into()),
        preset: Map::new(),
        machine: Map::new(),
        build: facts(&json!({"profile": "dev", "opt_level": "3"})),
        executors,
        cells,
        notes: vec!["The server was pinned to processor 0, the load generator to processor 1.".into()],
        host_warnings: Vec::new(),
        prices: Prices {
            per_cpu_second: 0.000_02,
            per_gib_second: 0.000_002,
            currency: "USD".into(),
            source: "a price list".into(),
        },
        selection: RecordedSelection::default(),
        blocks_done: vec![0, 1],
        comparison: None,
    }
}

/// An executor that could run.
pub(crate) fn executor(name: &str, spec: &str, model: &str) -> ExecutorInfo {
    ExecutorInfo {
        name: name.into(),
        spec: spec.into(),
        model: model.into(),
        versions: Vec::new(),
        unavailable: None,
    }
}

/// A cell that was measured.
pub(crate) fn cell(executor: &str, function: &str, variant: &str, reuse: &str) -> Cell {
    Cell {
        executor: executor.into(),
        function: function.into(),
        variant: variant.into(),
        reuse: reuse.into(),
        twin: false,
        status: Status::Ok,
        reason: None,
        invalid: None,
    }
}

/// The facts of a preset, a machine or a build in `run.json`.
pub(crate) fn facts(value: &Value) -> Map<String, Value> {
    value.as_object().expect("facts are an object").clone()
}
