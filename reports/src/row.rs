//! One measured number.
//!
//! | phase | metrics | told apart by |
//! |---|---|---|
//! | `prepare` | `duration_ns`, `artifact_bytes` | `cached` |
//! | `start`, `invoke`, `stop` | `duration_ns` | `instance`, `uses`, `sample` |
//! | `start.<lap>` and so on | `duration_ns` | as its phase |
//! | `response` | `duration_ns`, from the client's side, one request at a time | `reuse`, `uses` |
//! | `load` | `responses_count`, `duration_ns`, `latency_{p50,p90,p99,p999,max}_ns`, `cpu_ns`, `cgroup_cpu_ns`, `helpers_cpu_ns`, `faults_count` | `reuse`, `connections`; `sample` counts windows |
//! | `memory` | `pss_bytes` of the server, `cgroup_bytes`, `helpers_pss_bytes`, `model_bytes` | `live_instances`, `invocations` |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One number with everything that tells it from others. Keys that do not apply are
/// left out of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The executor spec with all its settings.
    pub executor: String,
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The reuse policy; left out where it makes no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<String>,
    /// Which repetition of the matrix, counted from 0.
    pub repetition: u32,
    /// Which sample within the repetition, counted from 0.
    pub sample: u64,
    /// A phase, a lap as `phase.lap`, or an experiment.
    pub phase: String,
    /// What the value is; ends in its unit: `_ns`, `_bytes`, `_count`.
    pub metric: String,
    /// The number.
    pub value: u64,
    /// Connections that requests were sent over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Instances that were live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_instances: Option<u64>,
    /// How often each live instance had been invoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations: Option<u64>,
    /// The instance, unique in its server process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<u64>,
    /// How often the instance had been used, this time included: 1 proves it cold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// Whether `prepare` found its artifact instead of making it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    /// How the measuring binary was built.
    pub build: String,
}
