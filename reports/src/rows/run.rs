//! What a run was: `run.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Version of both files' form. A reader refuses any other.
pub const SCHEMA_VERSION: u32 = 2;

/// The model of an executor that isolates nothing.
const NO_ISOLATION: &str = "none";

/// Everything about a run that is not a measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// [`SCHEMA_VERSION`] of the lab that wrote it.
    pub schema: u32,
    /// The run's id: its time of beginning, and what else makes it unique.
    pub id: String,
    /// How it ended.
    pub status: RunStatus,
    /// The command line, to do it again.
    pub command: Vec<String>,
    /// The seed of the order of cells.
    pub seed: u64,
    /// When it began, in UTC, as RFC 3339.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// The preset with all its numbers.
    pub preset: Map<String, Value>,
    /// The machine it ran on.
    pub machine: Map<String, Value>,
    /// How the measuring binary was built.
    pub build: Map<String, Value>,
    /// The executors that were asked for.
    pub executors: Vec<ExecutorInfo>,
    /// Every cell of the plan, in the order of the plan.
    pub cells: Vec<Cell>,
    /// What a reader must know besides, such as where processes were pinned.
    pub notes: Vec<String>,
    /// Why the host was no good one while this was measured; empty if it was.
    pub host_warnings: Vec<String>,
    /// What processor time and memory are priced at.
    pub prices: Prices,
    /// What was asked for, to take up an interrupted run.
    pub selection: RecordedSelection,
    /// Blocks that are done, as their places in the order that the seed makes.
    pub blocks_done: Vec<u32>,
}

impl Run {
    /// The name in short form of an executor that is given by its full spec.
    pub fn short_name<'a>(&'a self, spec: &'a str) -> &'a str {
        self.executors.iter().find(|executor| executor.spec == spec).map_or(spec, |executor| &executor.name)
    }
}

/// A stated model of what running something costs, in a currency of its reader's
/// choice. It derives a column and is no measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// One second of processor time.
    pub per_cpu_second: f64,
    /// One gibibyte of memory held for one second.
    pub per_gib_second: f64,
    /// The currency, as it is shown.
    pub currency: String,
    /// Where the prices are from.
    pub source: String,
}

/// What was asked for, everything resolved.
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
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It has not: either it runs still, or its process was killed.
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
    /// The spec in short form, as tables show it.
    pub name: String,
    /// The spec with all its settings, as in the rows.
    pub spec: String,
    /// The isolation model.
    pub model: String,
    /// Versions of the engine and its parts, by name.
    pub versions: Vec<(String, String)>,
    /// Why it could not run here, if it could not.
    pub unavailable: Option<String>,
}

impl ExecutorInfo {
    /// Whether it isolates nothing and is only there to compare with.
    pub fn is_baseline(&self) -> bool {
        self.model == NO_ISOLATION
    }
}

/// One cell of the plan, and what came of it.
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
    /// What came of it.
    pub status: Status,
    /// Why, for all but `ok`.
    pub reason: Option<String>,
}

/// What came of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Measured.
    Ok,
    /// Measuring it failed, or it does not answer as it should.
    Failed,
    /// The model cannot run on this machine.
    Unavailable,
    /// The executor cannot be given this variant, by its nature.
    Skipped,
    /// Not reached before the run ended.
    Pending,
}
