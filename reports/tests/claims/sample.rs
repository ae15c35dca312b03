//! A run that answers what it is asked for.

use std::collections::BTreeSet;

use isolab_reports::claims::Quantity;
use isolab_reports::row::Cold;
use isolab_reports::run::{Prices, SCHEMA_VERSION, Selection};
use isolab_reports::{Cell, ExecutorInfo, Row, Run, RunFolder, RunStatus, Status};
use serde_json::Map;

/// A run with a row for each of these quantities, by the table in `row.rs`. The numbers
/// are made up.
pub(crate) fn folder(quantities: &[Quantity]) -> RunFolder {
    let mut rows: Vec<Row> = Vec::new();
    for quantity in quantities {
        for repetition in 0..2 {
            let made = rows_of(quantity).into_iter().map(|row| Row { repetition, ..row });
            for row in made {
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
    }
    RunFolder { run: run(quantities), rows }
}

pub(crate) fn row(executor: &str, function: &str, variant: &str, phase: &str, metric: &str) -> Row {
    Row {
        executor: executor.into(),
        function: function.into(),
        variant: variant.into(),
        phase: phase.into(),
        metric: metric.into(),
        build: "dev".into(),
        ..Row::default()
    }
}

/// How much slower, or larger, than native everything is in an executor.
fn factor(executor: &str) -> u64 {
    match executor.split(':').next() {
        Some("direct") => 100,
        Some("wasm") => 135,
        Some("v8") => 140,
        _ => 2_000,
    }
}

fn rows_of(quantity: &Quantity) -> Vec<Row> {
    let Quantity { executor, variant, figure, .. } = quantity;
    let (subject, _) = figure.split_once('_').unwrap_or((figure, ""));
    let at = |metric: &str, value: u64| Row {
        value,
        reuse: quantity.reuse.clone(),
        cold: quantity.cold.filter(|_| subject == "response"),
        cached: quantity.cached,
        uses: (quantity.cold == Some(Cold::Instance)).then_some(1),
        ..row(executor, quantity.function_name(), variant, subject, metric)
    };
    let factor = factor(executor);
    let mut rows = Vec::new();
    match subject {
        "memory" => {
            for live in [1, 2, 4] {
                let live_instances = Some(live);
                let metrics = [
                    ("pss_bytes", 2_000),
                    ("private_bytes", 1_800),
                    ("model_bytes", 1_000),
                    ("cgroup_bytes", 3_000),
                    ("helpers_pss_bytes", 2_500),
                ];
                rows.extend(metrics.map(|(metric, bytes)| {
                    let value = 1_000_000 + live * bytes * factor;
                    Row { live_instances, invocations: Some(1), reuse: None, ..at(metric, value) }
                }));
            }
        }
        "load" => {
            for sample in 0..3 {
                let metrics =
                    [("responses_count", 4_000_000 / factor + sample), ("duration_ns", 1_000_000_000)];
                rows.extend(metrics.map(|(metric, value)| Row {
                    sample,
                    connections: Some(8),
                    ..at(metric, value)
                }));
            }
        }
        _ => {
            for sample in 0..8 {
                let uses = if quantity.reuse.is_some() { Some(sample + 2) } else { at("", 0).uses };
                rows.push(Row { sample, uses, ..at("duration_ns", 90 * factor + sample) });
            }
        }
    }
    rows
}

pub(crate) fn run(quantities: &[Quantity]) -> Run {
    let executors: BTreeSet<_> = quantities.iter().map(|quantity| &quantity.executor).collect();
    let blocks: BTreeSet<_> = quantities
        .iter()
        .map(|quantity| (&quantity.executor, quantity.function_name(), &quantity.variant))
        .collect();
    let cells = blocks.into_iter().flat_map(|(executor, function, variant)| {
        ["fresh", "warm"].map(|reuse| Cell {
            executor: executor.clone(),
            function: function.into(),
            variant: variant.clone(),
            reuse: reuse.into(),
            twin: false,
            status: Status::Ok,
            reason: None,
        })
    });
    Run {
        schema: SCHEMA_VERSION,
        id: "2026-11-22T120000Z".into(),
        status: RunStatus::Complete,
        command: vec!["isolab".into(), "reproduce".into()],
        seed: 7,
        started: "2026-11-22T12:00:00Z".into(),
        ended: None,
        preset: Map::new(),
        machine: Map::new(),
        build: Map::new(),
        executors: executors
            .into_iter()
            .map(|spec| ExecutorInfo {
                name: spec.clone(),
                spec: spec.clone(),
                model: if spec == "direct" { "none" } else { "a model" }.into(),
                versions: Vec::new(),
                unavailable: None,
            })
            .collect(),
        cells: cells.collect(),
        notes: Vec::new(),
        host_warnings: Vec::new(),
        prices: Prices {
            per_cpu_second: 0.000_02,
            per_gib_second: 0.000_002,
            currency: "USD".into(),
            source: "a price list".into(),
        },
        selection: Selection::default(),
        blocks_done: vec![0],
    }
}
