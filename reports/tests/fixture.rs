//! Fixed rows, from which every rendering is made once and compared for ever.

use isolab_reports::run::{Prices, SCHEMA_VERSION, Selection};
use isolab_reports::{Cell, ExecutorInfo, Row, Run, RunFolder, RunStatus, Status, Summary, markdown, table};
use serde_json::{Map, Value, json};

#[test]
fn the_report_in_markdown() {
    insta::assert_snapshot!(markdown::render(&Summary::of(&folder())));
}

#[test]
fn the_table_in_a_terminal() {
    insta::assert_snapshot!(table::render(&Summary::of(&folder()), None));
}

#[test]
fn an_interrupted_run_says_so_first() {
    let mut folder = folder();
    folder.run.status = RunStatus::Interrupted;
    folder.rows.clear();
    let report = markdown::render(&Summary::of(&folder));
    let (first, rest) = report.split_once("\n\n").unwrap();
    assert!(first.starts_with("# ") && rest.starts_with("> **This run was interrupted"), "{report}");
}

#[test]
fn memory_is_the_slope_of_all_that_the_host_pays() {
    let summary = Summary::of(&folder());
    let docker = summary.groups[0].models.iter().find(|model| model.executor == "docker").unwrap();
    let memory = docker.memory.unwrap();
    // A container and its shim for each instance, and nothing that the server grew by.
    assert!((memory.per_instance.median - 7_000_000.0).abs() < 1.0, "{memory:?}");
    assert!((memory.idle.median - 9_000_000.0).abs() < 1.0, "{memory:?}");
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let check = |name: &str, schema: schemars::Schema| {
        let path = format!("{}/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, text, "run this test with UPDATE_SCHEMAS=1");
    };
    check("row", schemars::schema_for!(Row));
    check("run", schemars::schema_for!(Run));
}

#[test]
fn rows_and_run_are_valid_by_their_schemas() {
    let folder = folder();
    let row_schema = jsonschema::validator_for(schemars::schema_for!(Row).as_value()).unwrap();
    for row in &folder.rows {
        let value = serde_json::to_value(row).unwrap();
        assert!(row_schema.is_valid(&value), "{value}");
    }
    let run_schema = jsonschema::validator_for(schemars::schema_for!(Run).as_value()).unwrap();
    assert!(run_schema.is_valid(&serde_json::to_value(&folder.run).unwrap()));
    assert!(!row_schema.is_valid(&json!({"executor": "wasm"})));
}

fn folder() -> RunFolder {
    let mut rows = Vec::new();
    for (executor, start_ns, responses) in
        [("direct", 40, 80_000), (WASM, 5_000, 40_000), ("docker:network=shared", 140_000_000, 20)]
    {
        rows.extend(startup(executor, start_ns));
        rows.extend(load(executor, "fresh", responses));
        rows.extend(load(executor, "warm", responses * 2));
    }
    rows.extend(memory());
    RunFolder { run: run(), rows }
}

const WASM: &str = "wasm:compiler=cranelift";

fn row(executor: &str, phase: &str, metric: &str, value: u64) -> Row {
    Row {
        executor: executor.into(),
        function: "hello".into(),
        variant: "rust".into(),
        phase: phase.into(),
        metric: metric.into(),
        value,
        build: "dev, opt-level 3".into(),
        ..Row::default()
    }
}

fn startup(executor: &str, start_ns: u64) -> Vec<Row> {
    let mut rows = vec![
        Row { cached: Some(false), ..row(executor, "prepare", "duration_ns", 55_000_000) },
        Row { cached: Some(true), ..row(executor, "prepare", "duration_ns", 250_000) },
    ];
    for sample in 0..10 {
        let uses = Some(1);
        let start = row(executor, "start", "duration_ns", start_ns + sample * start_ns / 100);
        rows.push(Row { sample, uses, ..start });
        let first = row(executor, "response", "duration_ns", 2 * start_ns + 20_000);
        rows.push(Row { sample, uses, reuse: Some("fresh".into()), ..first });
    }
    rows
}

fn load(executor: &str, reuse: &str, responses: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (connections, factor) in [(1, 1), (16, 2)] {
        for sample in 0..3 {
            let figures = [
                ("responses_count", responses * factor + sample),
                ("duration_ns", 1_000_000_000),
                ("latency_p50_ns", 300_000),
                ("latency_p99_ns", 900_000 + sample),
                ("cpu_ns", 900_000_000),
                ("faults_count", 0),
            ];
            rows.extend(figures.map(|(metric, value)| Row {
                sample,
                reuse: Some(reuse.into()),
                connections: Some(connections),
                ..row(executor, "load", metric, value)
            }));
        }
    }
    rows
}

fn memory() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = |executor: &str, live: u64, metric: &str, value: u64| {
        let key = Row {
            live_instances: Some(live),
            invocations: Some(1),
            ..row(executor, "memory", metric, value)
        };
        rows.push(key);
    };
    for live in [0, 1, 4] {
        at(WASM, live, "pss_bytes", 9_000_000 + live * 24_576);
        at(WASM, live, "model_bytes", live * 1_114_112);
        at("docker:network=shared", live, "pss_bytes", 9_000_000);
        at("docker:network=shared", live, "cgroup_bytes", live * 2_000_000);
        at("docker:network=shared", live, "helpers_pss_bytes", live * 5_000_000);
    }
    rows
}

fn run() -> Run {
    let executor = |name: &str, spec: &str, model: &str, unavailable: Option<&str>| ExecutorInfo {
        name: name.into(),
        spec: spec.into(),
        model: model.into(),
        versions: vec![("engine".into(), "1.2.3".into())],
        unavailable: unavailable.map(Into::into),
    };
    let cell = |executor: &str, reuse: &str, status: Status, reason: Option<&str>| Cell {
        executor: executor.into(),
        function: "hello".into(),
        variant: "rust".into(),
        reuse: reuse.into(),
        twin: false,
        status,
        reason: reason.map(Into::into),
    };
    let no_v8 = Some("the V8 library is not compiled in");
    Run {
        schema: SCHEMA_VERSION,
        id: "2026-11-22T120000Z".into(),
        status: RunStatus::Complete,
        command: vec!["isolab".into(), "bench".into(), "--quick".into()],
        seed: 7,
        started: "2026-11-22T12:00:00Z".into(),
        ended: Some("2026-11-22T12:02:30Z".into()),
        preset: facts(&json!({"name": "quick", "repetitions": 1})),
        machine: facts(&json!({"cpu": "A processor", "usable_cpus": [0, 1], "governor": null})),
        build: facts(&json!({"profile": "dev", "opt_level": "3"})),
        executors: vec![
            executor("direct", "direct", "none", None),
            executor("wasm", WASM, "Wasm instance", None),
            executor("docker", "docker:network=shared", "container", None),
            executor("v8", "v8:snapshot=on", "V8 isolate", no_v8),
        ],
        cells: vec![
            cell("direct", "fresh", Status::Ok, None),
            cell(WASM, "fresh", Status::Failed, Some("case world: body `a`\ninstead of `b`")),
            cell("v8:snapshot=on", "fresh", Status::Unavailable, no_v8),
            cell("v8:snapshot=on", "warm", Status::Unavailable, no_v8),
        ],
        notes: vec!["The server was pinned to processor 0, the load generator to processor 1.".into()],
        host_warnings: Vec::new(),
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
