//! A run that answers what it is asked for.

use std::collections::BTreeSet;

use isolab_reports::claims::Quantity;
use isolab_reports::row::Cold;
use isolab_reports::{Row, Run, RunFolder};

use crate::support::{self, block, number};

/// A run with a row for each of these quantities, by the table in `row.rs`. The numbers
/// are made up.
pub(crate) fn folder<'a>(quantities: impl IntoIterator<Item = &'a Quantity>) -> RunFolder {
    let quantities: Vec<&Quantity> = quantities.into_iter().collect();
    let mut rows: Vec<Row> = Vec::new();
    for quantity in &quantities {
        for repetition in 0..2 {
            let made = rows_of(quantity).into_iter().map(|row| Row { repetition, ..row });
            for row in made {
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
    }
    RunFolder { run: run(&quantities), rows }
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
    let base = Row {
        reuse: quantity.reuse.clone(),
        cold: quantity.cold.filter(|_| subject == "response"),
        cached: quantity.cached,
        uses: (quantity.cold == Some(Cold::Instance)).then_some(1),
        ..block(executor, quantity.function_name(), variant)
    };
    let at = |metric: &str, value: u64| number(&base, subject, metric, value);
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
                    ("helpers_resident_bytes", 9_000),
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
                let uses = if quantity.reuse.is_some() { Some(sample + 2) } else { base.uses };
                let metric =
                    if figure.starts_with("prepare_artifact") { "artifact_bytes" } else { "duration_ns" };
                rows.push(Row { sample, uses, ..at(metric, 90 * factor + sample) });
            }
        }
    }
    rows
}

fn run(quantities: &[&Quantity]) -> Run {
    let executors: BTreeSet<_> = quantities.iter().map(|quantity| &quantity.executor).collect();
    let executors = executors.into_iter().map(|spec| {
        let model = if spec == "direct" { "none" } else { "a model" };
        support::executor(spec, spec, model)
    });
    let blocks: BTreeSet<_> = quantities
        .iter()
        .map(|quantity| (&quantity.executor, quantity.function_name(), &quantity.variant))
        .collect();
    let cells = blocks.into_iter().flat_map(|(executor, function, variant)| {
        ["fresh", "warm"].map(|reuse| support::cell(executor, function, variant, reuse))
    });
    support::run(executors.collect(), cells.collect())
}
