//! Small runs whose winners are known.

use isolab_reports::row::HOST;
use isolab_reports::{Cell, Row, RunFolder, Status};

use crate::support::{self, block, number};

/// One executor's figures, the same with every function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) start_ns: u64,
    pub(crate) instance_bytes: u64,
    pub(crate) fresh_per_s: u64,
    pub(crate) warm_per_s: u64,
}

pub(crate) const DIRECT: Made =
    Made { name: "direct", start_ns: 300, instance_bytes: 260, fresh_per_s: 96_000, warm_per_s: 110_000 };
pub(crate) const WASM: Made =
    Made { name: "wasm", start_ns: 7_000, instance_bytes: 20_000, fresh_per_s: 70_000, warm_per_s: 90_000 };
pub(crate) const V8: Made =
    Made { name: "v8", start_ns: 900_000, instance_bytes: 1_300_000, fresh_per_s: 1_000, warm_per_s: 60_000 };
pub(crate) const DOCKER: Made = Made {
    name: "docker",
    start_ns: 101_000_000,
    instance_bytes: 4_100_000,
    fresh_per_s: 11,
    warm_per_s: 24_000,
};

/// Executors, functions and variants, and how they scatter.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) executors: Vec<Made>,
    pub(crate) blocks: Vec<(&'static str, &'static str)>,
    pub(crate) repetitions: u32,
    /// How much slower or larger each repetition is than the one before, in percent.
    pub(crate) scatter_percent: u64,
    /// How much slower the host is in its last blocks, in percent.
    pub(crate) drift_percent: u64,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            executors: vec![DIRECT, WASM, V8, DOCKER],
            blocks: vec![("hello", "rust")],
            repetitions: 3,
            scatter_percent: 1,
            drift_percent: 0,
        }
    }
}

impl Sample {
    /// The run, every cell of it measured.
    pub(crate) fn folder(&self) -> RunFolder {
        let executors = self.executors.iter().map(|made| {
            let model = if made.name == "direct" { "none" } else { "a model" };
            support::executor(made.name, made.name, model)
        });
        let cells = self.blocks.iter().flat_map(|(function, variant)| {
            self.executors.iter().flat_map(move |made| {
                ["fresh", "warm"].map(|reuse| support::cell(made.name, function, variant, reuse))
            })
        });
        let mut rows = Vec::new();
        for (function, variant) in &self.blocks {
            for made in &self.executors {
                for repetition in 0..self.repetitions {
                    let base = Row { repetition, ..block(made.name, function, variant) };
                    self.block(&mut rows, &base, made);
                }
            }
        }
        for sample in 0..12 {
            let slow = if sample > 6 { self.drift_percent } else { 0 };
            let base = Row { sample, ..block(HOST, "", "") };
            rows.push(number(&base, "calibration", "duration_ns", 10_000 * (100 + slow)));
        }
        RunFolder { run: support::run(executors.collect(), cells.collect()), rows }
    }

    fn block(&self, rows: &mut Vec<Row>, base: &Row, made: &Made) {
        // Thousandths, so that the least figures scatter too.
        let scale = |value: u64, sample: u64| {
            let more = u64::from(base.repetition) * self.scatter_percent * 10 + sample;
            value * (1_000 + more) / 1_000
        };
        for sample in 0..10 {
            let start = number(base, "start", "duration_ns", scale(made.start_ns, sample));
            rows.push(Row { sample, uses: Some(1), ..start });
        }
        for live in [1, 2, 8] {
            let bytes = 9_000_000 + scale(made.instance_bytes, 0) * live;
            let reading = number(base, "memory", "pss_bytes", bytes);
            rows.push(Row { live_instances: Some(live), invocations: Some(1), ..reading });
        }
        for (reuse, rate) in [("fresh", made.fresh_per_s), ("warm", made.warm_per_s)] {
            for sample in 0..3 {
                let window = Row { sample, reuse: Some(reuse.into()), connections: Some(8), ..base.clone() };
                rows.push(number(&window, "load", "responses_count", scale(rate * 100, sample)));
                rows.push(number(&window, "load", "duration_ns", 100_000_000_000));
            }
        }
    }
}

/// Makes cells fail, with their reason.
pub(crate) fn fail(folder: &mut RunFolder, is_of: impl Fn(&Cell) -> bool) {
    for cell in folder.run.cells.iter_mut().filter(|cell| is_of(cell)) {
        (cell.status, cell.reason) = (Status::Failed, Some("case world: another body".into()));
    }
}
