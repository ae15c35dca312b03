//! The `run.json` of the sample.

use isolab_reports::{Cell, ExecutorInfo, Run, Status};
use serde_json::json;

use super::models::{FUNCTIONS, MODELS};
use crate::support::{self, facts};

/// `run.json` of the sample.
pub(super) fn run() -> Run {
    let executor = |name: &str, spec: &str, model: &str, engine: &str| ExecutorInfo {
        versions: vec![(engine.into(), "48.0.8".into())],
        ..support::executor(name, spec, model)
    };
    let executors = vec![
        executor("direct", MODELS[0].spec, "none", "rustc"),
        executor("wasm", MODELS[1].spec, "Wasm instance", "wasmtime"),
        executor("v8", MODELS[2].spec, "V8 isolate", "v8"),
        executor("docker", MODELS[3].spec, "container", "docker"),
    ];
    let skipped = FUNCTIONS.iter().map(|(function, ..)| Cell {
        status: Status::Skipped,
        reason: Some("there is no JavaScript without an engine".into()),
        ..support::cell("direct", function, "js", "fresh")
    });
    Run {
        command: ["isolab", "bench", "--executor", "direct,wasm,v8,docker", "--full"].map(Into::into).into(),
        ended: Some("2026-11-22T19:42:30Z".into()),
        preset: facts(
            &json!({"name": "full", "repetitions": 2, "light": {"starts": 60, "connections": [1, 8, 32, 64]}}),
        ),
        machine: facts(&json!({
            "cpu": "A processor of 2 cores at 2.90 GHz", "kernel": "Linux 6.1.0", "memory_bytes": 24_500_000_000_u64,
            "usable_cpus": [0, 1], "governor": null, "virtualised": true, "cgroup": "v2"
        })),
        build: facts(&json!({"profile": "dev", "opt_level": "3", "rustc": "1.95.0"})),
        host_warnings: vec!["The frequency governor is not known: this machine is virtualised.".into()],
        ..support::run(executors, skipped.collect())
    }
}
