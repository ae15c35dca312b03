//! The requests and responses of the pages, for the server and for its clients.

use std::collections::BTreeMap;
use std::path::PathBuf;

use isolab_core::{Phase, Variant};
use serde::{Deserialize, Serialize};

pub use crate::http::problem::Details as Problem;
pub use crate::http::timing::{BILL, EXECUTOR, INSTANCE};

/// `GET`: liveness. Answers [`HEALTHY`] as text.
pub const HEALTHZ: &str = "/-/healthz";
/// The body of a healthy server's answer.
pub const HEALTHY: &str = "ok\n";
/// `GET`: a JSON list of [`Function`].
pub const FUNCTIONS: &str = "/-/functions";
/// `GET`: a JSON list of [`Executor`].
pub const EXECUTORS: &str = "/-/executors";
/// `GET`: counts and durations as `OpenMetrics` text.
pub const METRICS: &str = "/-/metrics";
/// `GET`: every kind of [`Problem`] with its status and meaning, as text.
pub const PROBLEMS: &str = "/-/problems";
/// `GET`, with [`Config::control`](crate::Config::control): every [`PhaseLine`] since the
/// last call, in the order in which the phases ended, as lines of JSON. The header
/// [`LOST`] says how many older ones were dropped.
pub const PHASES: &str = "/-/phases";
/// The header of [`PHASES`] with the number of phases that were dropped because the
/// record was full.
pub const LOST: &str = "x-isolab-lost";

/// `PUT`, with [`Config::control`](crate::Config::control): takes a [`SetInstances`] and
/// answers [`Instances`].
pub fn instances(function: &str) -> String {
    format!("/-/instances/{function}")
}

/// A function that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its variants.
    pub variants: Vec<Variant>,
    /// The limits of one of its instances.
    pub limits: Limits,
    /// The number of its cases.
    pub cases: usize,
}

/// [`isolab_core::Limits`] in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of the sandbox, in bytes.
    pub memory_bytes: u64,
    /// Wall-clock time of one `invoke`, in milliseconds.
    pub deadline_ms: u64,
    /// Body of a response, in bytes.
    pub response_bytes: u64,
    /// Body of a request that the function takes as a stream, in bytes.
    pub request_bytes: u64,
}

/// An executor that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executor {
    /// Its spec in short form.
    pub spec: String,
    /// Its spec with every setting.
    pub settings: String,
    /// Versions of the engine and its parts, by name.
    pub versions: BTreeMap<String, String>,
    /// The functions that it can run.
    pub cells: Vec<Cell>,
}

/// A function that an executor can run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The function's name.
    pub function: String,
    /// The variant that is served.
    pub variant: Variant,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseLine {
    /// The executor's spec in short form.
    pub executor: String,
    /// The function's name.
    pub function: String,
    /// The variant that is served.
    pub variant: Variant,
    /// The instance's id; none for `prepare`, and for a `start` that failed.
    pub instance: Option<u64>,
    /// How often the instance has been used, this time included.
    pub uses: Option<u64>,
    /// The phase.
    pub phase: Phase,
    /// How long the phase took, in nanoseconds.
    pub duration_ns: u64,
    /// The part of that in which no code of the phase ran on the server's thread, in nanoseconds.
    pub waiting_ns: u64,
    /// When the phase began, in nanoseconds after the server was bound.
    pub begun_ns: u64,
    /// Name and duration in nanoseconds of each lap.
    pub laps: Vec<(String, u64)>,
    /// Of `prepare`: whether the artifact was found in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    /// Of `prepare`: the size of the artifact, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_bytes: Option<u64>,
    /// Of `prepare`: the digest of the variant, as [`isolab_core::Artifact`] has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
    /// The name of the cause, if the phase failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Sets the number of idle instances of a function, and how often they are invoked. The
/// phases of starting instances are not recorded: the record would take memory that an
/// experiment measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetInstances {
    /// The number of idle instances. Surplus ones are stopped, missing ones started.
    pub live: u64,
    /// How often each started instance is invoked with the function's load case.
    #[serde(default)]
    pub invocations: u64,
    /// How often all instances are then invoked with it, one after another. These
    /// invocations are recorded.
    #[serde(default)]
    pub rounds: u64,
}

/// The idle instances of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instances {
    /// Their number.
    pub live: u64,
    /// Each one's memory as the model knows it, in bytes; `null` if it knows nothing.
    pub model_bytes: Vec<Option<u64>>,
    /// The parts of each one that lie outside of the server's process.
    pub outside: Vec<Outside>,
}

/// [`isolab_core::Outside`] in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// Control group folders with the instance's processes.
    pub cgroups: Vec<PathBuf>,
    /// Control group folders that hold all instances of this run, and nothing else.
    #[serde(default)]
    pub around: Vec<PathBuf>,
    /// Processes that serve the instance and are not in its control group.
    pub helpers: Vec<u32>,
}

impl From<isolab_core::Limits> for Limits {
    fn from(limits: isolab_core::Limits) -> Self {
        let isolab_core::Limits { memory_bytes, deadline, response_bytes, request_bytes } = limits;
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        Self { memory_bytes, deadline_ms, response_bytes, request_bytes }
    }
}

impl From<isolab_core::Outside> for Outside {
    fn from(outside: isolab_core::Outside) -> Self {
        let isolab_core::Outside { cgroups, around, helpers } = outside;
        Self { cgroups, around, helpers }
    }
}
