//! The description of a run: `run.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Version of the form of both files. A reader refuses any other.
pub const SCHEMA_VERSION: u32 = 2;

/// The model of an executor that isolates nothing.
const NO_ISOLATION: &str = "none";

/// Everything about a run that is not a measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// [`SCHEMA_VERSION`] of the lab that wrote it.
    pub schema: u32,
    /// The run's id: the time of its start, and a part that makes it unique.
    pub id: String,
    /// How it ended.
    pub status: RunStatus,
    /// The command line, to repeat the run.
    pub command: Vec<String>,
    /// The seed of the order of cells.
    pub seed: u64,
    /// The time of its start, in UTC, as RFC 3339.
    pub started: String,
    /// The time of its end.
    pub ended: Option<String>,
    /// The preset with all its numbers.
    pub preset: Map<String, Value>,
    /// The machine it ran on.
    pub machine: Map<String, Value>,
    /// How the measuring binary was built.
    pub build: Map<String, Value>,
    /// The executors of the selection.
    pub executors: Vec<ExecutorInfo>,
    /// Every cell of the plan, in the order of the plan.
    pub cells: Vec<Cell>,
    /// Notes for readers, such as the processors that processes were pinned to.
    pub notes: Vec<String>,
    /// Reasons to distrust the host during the run; empty if there were none.
    pub host_warnings: Vec<String>,
    /// The prices of processor time and memory.
    pub prices: Prices,
    /// The selection, to resume an interrupted run.
    pub selection: RecordedSelection,
    /// The finished blocks, by their places in the order that the seed makes.
    pub blocks_done: Vec<u32>,
    /// The two sides, if the run is a comparison of two sides that were measured together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparedSides>,
}

impl Run {
    /// The short name of an executor that is given by its full spec.
    pub fn short_name<'a>(&'a self, spec: &'a str) -> &'a str {
        self.executors.iter().find(|executor| executor.spec == spec).map_or(spec, |executor| &executor.name)
    }
}

/// A comparison of two sides that were measured together: see [`crate::paired`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedSides {
    /// The quantity that they are compared by: `rate`, `latency`, `start`, `cpu` or `instructions`.
    pub metric: String,
    /// The greatest difference that does not matter, in percent.
    pub margin_percent: f64,
    /// The one that is compared with, and the one that is compared.
    pub sides: [ComparedSide; 2],
    /// The time that measuring took so far, in milliseconds.
    pub elapsed_ms: u64,
    /// Why the processor's counters were not read; none if they were.
    pub uncounted: Option<String>,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComparedSide {
    /// Its name in the finding.
    pub label: String,
    /// The executor spec with all its settings.
    pub executor: String,
    /// The function: its name, or its path if it is not the lab's.
    pub function: String,
    /// The binary of the lab that served it.
    pub binary: String,
}

/// A stated price model, in a currency of the reader's choice. Prices are derived from it and
/// not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// One second of processor time.
    pub per_cpu_second: f64,
    /// One gibibyte of memory held for one second.
    pub per_gib_second: f64,
    /// The currency, as reports show it.
    pub currency: String,
    /// The source of the prices.
    pub source: String,
}

/// The selection of a run with all defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedSelection {
    /// Executor specs with all settings.
    pub executors: Vec<String>,
    /// Functions, by name or path.
    pub functions: Vec<String>,
    /// Variants.
    pub variants: Vec<String>,
    /// Reuse policies.
    pub reuses: Vec<String>,
    /// Experiments, such as `startup`; all of the preset's if empty.
    pub experiments: Vec<String>,
    /// Specs of executors of which only the start is measured, beside the others.
    #[serde(default)]
    pub beside: Vec<String>,
    /// Which processors run what. Runs without this key were measured with `engine`.
    #[serde(default = "Placement::before_it_was_recorded")]
    pub placement: Placement,
    /// Numbers of workers of the experiment `contention`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<usize>,
}

/// Which processors run the server, its instances and the load generator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// The server and all instances share one processor, also instances outside of the server's
    /// process. The load generator has another one to itself, and polls for every executor.
    #[default]
    Together,
    /// A container engine places its containers where it likes. The load generator polls for
    /// executors without containers only.
    Engine,
}

impl Placement {
    /// Both rules.
    pub const ALL: [Self; 2] = [Self::Together, Self::Engine];

    fn before_it_was_recorded() -> Self {
        Self::Engine
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Together => "together",
            Self::Engine => "engine",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It has not ended: it still runs, or its process was killed.
    Running,
    /// Every cell has an outcome.
    Complete,
    /// The user stopped it.
    Interrupted,
    /// The run itself failed, such as by a full disk.
    Failed,
}

/// An executor of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutorInfo {
    /// The short spec, as tables show it.
    pub name: String,
    /// The spec with all its settings, as in the rows.
    pub spec: String,
    /// The isolation model.
    pub model: String,
    /// Versions of the engine and its parts, by name.
    pub versions: Vec<(String, String)>,
    /// The reason why it could not run here, if it could not.
    pub unavailable: Option<String>,
}

impl ExecutorInfo {
    /// Whether it isolates nothing and serves only as a baseline.
    pub fn is_baseline(&self) -> bool {
        self.model == NO_ISOLATION
    }
}

/// One cell of the plan, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The executor spec with all its settings.
    pub executor: String,
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The reuse policy.
    pub reuse: String,
    /// Whether this is the second, identical cell of an A/A pair.
    #[serde(default)]
    pub twin: bool,
    /// The outcome.
    pub status: Status,
    /// The reason, for every outcome except `ok`.
    pub reason: Option<String>,
    /// The reason why its figures at fixed rates are invalid; left out if they are valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}

/// The outcome of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Measured.
    Ok,
    /// The measurement failed, or a response was wrong.
    Failed,
    /// The model cannot run on this machine.
    Unavailable,
    /// The executor does not support this variant.
    Skipped,
    /// Not reached before the run ended.
    Pending,
}
