//! What the sample run was.

use isolab_reports::run::{Prices, SCHEMA_VERSION, Selection};
use isolab_reports::{Cell, ExecutorInfo, Run, RunStatus, Status};
use serde_json::{Map, Value, json};

use super::{FUNCTIONS, MODELS};

/// `run.json` of the sample.
pub(super) fn run() -> Run {
    let executor = |name: &str, spec: &str, model: &str, engine: &str| ExecutorInfo {
        name: name.into(),
        spec: spec.into(),
        model: model.into(),
        versions: vec![(engine.into(), "48.0.8".into())],
        unavailable: None,
    };
    Run {
        schema: SCHEMA_VERSION,
        id: "2026-11-22T120000Z".into(),
        status: RunStatus::Complete,
        command: ["isolab", "bench", "--executor", "direct,wasm,v8,docker", "--full"].map(Into::into).into(),
        seed: 7,
        started: "2026-11-22T12:00:00Z".into(),
        ended: Some("2026-11-22T19:42:30Z".into()),
        preset: facts(
            &json!({"name": "full", "repetitions": 2, "light": {"starts": 60, "connections": [1, 8, 32, 64]}}),
        ),
        machine: facts(&json!({
            "cpu": "A processor of 2 cores at 2.90 GHz", "kernel": "Linux 6.1.0", "memory_bytes": 24_500_000_000_u64,
            "usable_cpus": [0, 1], "governor": null, "virtualised": true, "cgroup": "v2"
        })),
        build: facts(&json!({"profile": "dev", "opt_level": "3", "rustc": "1.95.0"})),
        executors: vec![
            executor("direct", MODELS[0].spec, "none", "rustc"),
            executor("wasm", MODELS[1].spec, "Wasm instance", "wasmtime"),
            executor("v8", MODELS[2].spec, "V8 isolate", "v8"),
            executor("docker", MODELS[3].spec, "container", "docker"),
        ],
        cells: FUNCTIONS
            .iter()
            .map(|(function, ..)| Cell {
                executor: "direct".into(),
                function: (*function).into(),
                variant: "js".into(),
                reuse: "fresh".into(),
                twin: false,
                status: Status::Skipped,
                reason: Some("there is no JavaScript without an engine".into()),
            })
            .collect(),
        notes: vec!["The server was pinned to processor 0, the load generator to processor 1.".into()],
        host_warnings: vec![
            "The fixed loop became 1.2 % slower in the course of the run.".into(),
            "The frequency governor is not known: this machine is virtualised.".into(),
        ],
        prices: Prices {
            per_cpu_second: 0.000_02,
            per_gib_second: 0.000_002,
            currency: "USD".into(),
            source: "a price list".into(),
        },
        selection: Selection::default(),
        blocks_done: vec![0, 1],
    }
}

fn facts(value: &Value) -> Map<String, Value> {
    value.as_object().expect("facts are an object").clone()
}
