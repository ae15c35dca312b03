//! One measured number.
//!
//! | phase | metrics | told apart by |
//! |---|---|---|
//! | `prepare` | `duration_ns`; `artifact_bytes`, the size of what it made or found, with the `source_digest` of the variant | `cached` |
//! | `start`, `invoke`, `stop` | `duration_ns` | `instance`, `uses`, `sample` |
//! | `start.<lap>` and so on | `duration_ns` | as its phase |
//! | `response` | `duration_ns`, from the client's side, one request at a time | `cold`, `cached`, `reuse`, `uses` |
//! | `load`: a closed loop | of the warm-up before it `steady_count`, `warm_up_count` and `warm_up_ns` (below); `responses_count`, `duration_ns`, `latency_count`, and what it cost (below) | `reuse`, `connections`; `sample` counts windows |
//! | `open`: an open loop | counts of requests (below), `duration_ns`, `latency_count` from the intended and `service_count` from the real moment of sending, and what it cost | `reuse`, `rate_per_s` (and `load_percent`, in old runs); `sample` counts windows |
//! | `slo`: probes of the search for the highest rate that keeps a 99th percentile | as `open` | `reuse`, `rate_per_s`; `sample` counts probes |
//! | `slo`: its result | `slo_ns`, the bound; `slo_rate_per_s`, the highest rate that kept it; `slo_broken_rate_per_s`, the lowest rate above that did not; `probes_count` | `reuse` |
//! | `burst`: simultaneous requests, from idle | `responses_count`, `duration_ns` to the last answer, `latency_count` | `reuse`, `connections` |
//! | `mix`: a closed loop over many functions, from no instance on | `responses_count`, `cold_count` of first answers of an instance, `functions_count` of different functions that answered, `duration_ns`, `latency_count`, `cold_latency_count`, `cpu_ns`; in the last window `stops_count`, the instances that were evicted since the beginning | `reuse`, `connections`, `functions`; `sample` counts windows |
//! | `contention`: a closed loop over a server with several workers | as `load`; `processors_count` of the server, and `shared_processors_count` that the load generator used too | `reuse`, `connections`, `workers`; `sample` counts windows |
//! | `waiting`: a closed loop over a function that waits | as `load`, and `in_flight_count`; `pss_bytes`, `page_tables_bytes`, `cgroup_bytes`, `helpers_pss_bytes` and `helpers_page_tables_bytes` at rest (`connections` is 0) and while all requests wait | `reuse`, `connections`: the requests in flight; `sample` counts windows |
//! | `first-byte`: one request after the other | `first_byte_ns` from the request's first byte to the first of the answer's body, `duration_ns` to its last | `reuse`; `sample` counts requests |
//! | `confinement`: what a guest could reach, once for each executor and variant, by the function `attempts` in its block | `succeeded_count`: 1 if the attempt had its effect, else 0 | `attempt`; `failed` if the attempt could not be made, and its value then says nothing |
//! | `memory` | `pss_bytes`, `private_bytes` and `page_tables_bytes` of the server, `cgroup_bytes`, `helpers_pss_bytes`, `helpers_page_tables_bytes`, `helpers_resident_bytes` with all pages that helpers share, `model_bytes` | `live_instances`, `invocations` |
//! | `density`: more and more instances | `held_bytes` by server, groups and helpers together, page tables included, `latency_count` and `latency_p99_ns` of answers from all of them in turn; `addresses_bytes`, `descriptors_count` and `threads_count` of server, groups and helpers together; in the end `instances_count` | `live_instances`; `limit` of the end |
//! | `compare`: two servers in turn, see [`crate::paired`] | `responses_count`, `duration_ns`, `waited_ns` of the server for its processor, `idle_cpu_ns` of the other server, `latency_typical_ns` as the mean of the half that lie closest together, `latency_p50_ns` and `latency_p99_ns`, or `start_p50_ns`, `instructions_count`, `cycles_count`, `branches_count`, `cache_misses_count` where the machine counts them, and what it cost (below) | `pair`, `side`, `order`; `sample` counts quads |
//! | `calibration`: a fixed loop in the harness | `duration_ns` | executor `host`; `sample` counts blocks |
//!
//! The value of `latency_count`, `service_count` and `cold_latency_count` is the number of latencies, and their
//! `histogram` holds the whole distribution ([`Latencies`]). Rows of older runs have
//! `latency_*_ns` and `service_*_ns` instead, `*` being one of [`LATENCIES`].
//!
//! A warm-up loads instances that are used again until their speed no longer changes:
//! `steady_count` is 1 if that was reached and 0 if a bound of time ended it before;
//! `warm_up_count` answers took `warm_up_ns`. Warm answers of `response` have the same metrics.
//!
//! A set size leaves out a process's page tables, so the rows have them apart. A control group
//! counts the page tables of its processes itself: they are part of `cgroup_bytes`.
//!
//! Requests of a window of an open loop:
//!
//! | metric | requests |
//! |---|---|
//! | `offered_count` | due in the window |
//! | `responses_count` | answered during the window, whenever they were due |
//! | `dropped_count` | never sent, because the queue was full |
//! | `queue_max_count` | that could wait for a connection |
//! | `unfinished_count` | of this and earlier windows, waiting or in flight when the window ended |
//! | `late_count` | sent more than 1 ms after they were due |
//! | `late_waiting_count` | of these, handed out in time: no connection was free. The server was slow |
//! | `generator_late_count` | sent or dropped, for which the generator itself was more than 1 ms late |
//!
//! `generator_lateness_p99_ns` is the 99th percentile of the generator's own lateness: to the
//! sending, or to the queue if no connection was free.
//! [`Validity`](crate::figures::Validity) judges the generator by the last two.
//!
//! The cost of a load or an open loop, between the ends of a window:
//!
//! | metric | of |
//! |---|---|
//! | `cpu_ns`, `user_cpu_ns`, `system_cpu_ns` | the server; the last two in steps of the kernel's clock tick |
//! | `cgroup_cpu_ns`, `cgroup_user_cpu_ns`, `cgroup_system_cpu_ns` | its containers |
//! | `helpers_cpu_ns` | their shims, or the processes of instances that have no container; without reuse, everything that the engine's daemons start for them, by the control groups of the engine's services. Left out where these groups hold other processes too, and a note of the run says so |
//! | `daemon_cpu_ns` | the container engine's daemons themselves |
//! | `minor_faults_count`, `major_faults_count` | the server |
//! | `voluntary_switches_count`, `involuntary_switches_count` | the server |
//! | `energy_uj` | the processor packages, where the host counts it |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Latencies;

/// The quantiles of latencies that reports show and that rows of older runs keep: the name in a
/// figure or metric, and the quantile.
pub const LATENCIES: [(&str, f64); 9] = [
    ("p10", 0.1),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
    ("max", 1.0),
];

/// The executor's name in rows about the machine and not about a cell.
pub const HOST: &str = "host";

/// One number with everything that distinguishes it from others. Keys that do not apply are
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
    /// The reuse policy; left out where it does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<String>,
    /// The repetition of the matrix, counted from 0.
    pub repetition: u32,
    /// The sample within the repetition, counted from 0.
    pub sample: u64,
    /// A phase, a lap as `phase.lap`, or an experiment.
    pub phase: String,
    /// The name of the value, which ends in its unit: `_ns`, `_bytes`, `_count`.
    pub metric: String,
    /// The number.
    pub value: u64,
    /// Whether this is the second, identical cell of an A/A pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<bool>,
    /// The part that was cold when the request was sent; left out if none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<Cold>,
    /// The intended rate of requests, per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<u64>,
    /// `rate_per_s` as a part of the closed loop's highest rate, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u64>,
    /// The limit that ended an experiment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Connections; for a burst, simultaneous requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// The number of functions in a mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<u64>,
    /// The number of the server's workers; left out where it is always 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u64>,
    /// The number of live instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_instances: Option<u64>,
    /// The number of invocations that each live instance had answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocations: Option<u64>,
    /// The instance, unique in its server process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<u64>,
    /// How often the instance had been used, this use included: 1 proves that it was cold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// Whether `prepare` found its artifact in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    /// The BLAKE3 digest of the variant that an artifact was made from: two executors ran the same
    /// bytes exactly if their digests are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
    /// The distribution behind the value, which is its number of latencies: an `HdrHistogram` of
    /// nanoseconds with two significant digits, in its compressed V2 form, as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub histogram: Option<Latencies>,
    /// The pair of server processes, in a comparison of two sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<u64>,
    /// The side of the loaded server, in a comparison of two sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The place of the window in its quad, counted from 0, in a comparison of two sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u64>,
    /// The attempt of a guest to reach its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// The reason why an attempt could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// How the measuring binary was built.
    pub build: String,
}

/// An attempt of a guest to reach its host. The host sees the effect of each, or has a secret that the guest answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// To read a file that every user of the host may read.
    ReadFile,
    /// To write a file where every user of the host may.
    WriteFile,
    /// To connect to a TCP port of the host on loopback.
    Connect,
    /// To read the command line of a process of the host.
    SeeProcess,
    /// To kill a process of the host's user `nobody`.
    Signal,
    /// To start [`Attempt::PROCESSES`] processes.
    StartProcesses,
}

impl Attempt {
    /// All of them, in the order in which they are made and shown.
    pub const ALL: [Self; 6] = [
        Self::ReadFile,
        Self::WriteFile,
        Self::Connect,
        Self::SeeProcess,
        Self::Signal,
        Self::StartProcesses,
    ];

    /// The number of processes that a guest tries to start.
    pub const PROCESSES: usize = 100;

    /// Its name in rows, in figures and in the answers of the function `attempts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadFile => "read_file",
            Self::WriteFile => "write_file",
            Self::Connect => "connect",
            Self::SeeProcess => "see_process",
            Self::Signal => "signal",
            Self::StartProcesses => "start_processes",
        }
    }

    /// The guest's deed if it succeeds, as the head of a column.
    pub fn title(self) -> &'static str {
        match self {
            Self::ReadFile => "reads a host's file",
            Self::WriteFile => "writes a host's file",
            Self::Connect => "connects by TCP",
            Self::SeeProcess => "sees a host's process",
            Self::Signal => "kills a neighbour",
            Self::StartProcesses => "starts 100 processes",
        }
    }
}

/// One of the two things that a comparison compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The one that is compared with.
    First,
    /// The one that is compared.
    Second,
}

/// The outermost part that did not exist yet when a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cold {
    /// The server's process; timed from its spawning, the artifact being cached.
    Host,
    /// The function: the first request for it in a server that listens; `cached` says whether
    /// its artifact was in the cache.
    Function,
    /// The instance, of a function that is prepared.
    Instance,
}

/// The limit that ended an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// The bound of memory was reached.
    Memory,
    /// The bound of the 99th percentile was passed.
    Latency,
    /// The greatest number of instances was live before another limit was reached.
    Instances,
    /// The time was over.
    Time,
    /// The executor started no more.
    Refused,
}
