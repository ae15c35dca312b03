//! Fixed rows, from which every rendering is made once and compared for ever.

use isolab_reports::compare::{self, CompareError};
use isolab_reports::export::Export;
use isolab_reports::row::{Cold, HOST, Limit};
use isolab_reports::run::{Prices, SCHEMA_VERSION, Selection};
use isolab_reports::{
    Cell, ExecutorInfo, Format, Row, Run, RunFolder, RunStatus, Status, Summary, grids, markdown, render,
    table,
};
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
    let value = |name: &str| docker.named(name).last().unwrap().estimate.value;
    // A container and its shim for each instance, and in the second repetition half a
    // KiB more of the server's own, of the container's and of the shim's.
    assert!((value("memory_slope") - 7_000_768.0).abs() < 1.0, "{}", value("memory_slope"));
    assert!((value("memory_cgroup_slope") - 2_000_256.0).abs() < 1.0);
    assert!((value("memory_idle") - 9_000_000.0).abs() < 1.0);
    assert_eq!(docker.named("memory_slope").count(), 3);
}

#[test]
fn the_exports() {
    let summary = Summary::of(&folder());
    insta::assert_snapshot!(render(&folder(), &summary, Format::Csv));
    let json: Value = serde_json::from_str(&render(&folder(), &summary, Format::Json)).unwrap();
    let schema = jsonschema::validator_for(schemars::schema_for!(Export).as_value()).unwrap();
    assert!(schema.is_valid(&json), "{:?}", schema.iter_errors(&json).next());
    assert!(!schema.is_valid(&json!({"figures": []})));
    let csv = render(&folder(), &summary, Format::Csv);
    let mut lines = csv::Reader::from_reader(csv.as_bytes());
    let records: Vec<csv::StringRecord> = lines.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), json["figures"].as_array().unwrap().len());
}

#[test]
fn a_report_is_the_same_every_time() {
    for format in Format::ALL {
        assert_eq!(
            render(&folder(), &Summary::of(&folder()), format),
            render(&folder(), &Summary::of(&folder()), format)
        );
    }
}

#[test]
fn every_table_is_as_wide_as_its_head_and_has_a_name_of_its_own() {
    for section in grids::sections(&Summary::of(&folder())) {
        let mut names: Vec<_> = section.grids.iter().map(|grid| (grid.name, &grid.title)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), section.grids.len());
        for grid in section.grids {
            assert!(grid.lines.iter().all(|line| line.len() == grid.head.len()), "{grid:?}");
        }
    }
}

#[test]
fn rows_of_todays_harness_are_enough_for_a_report() {
    let mut folder = folder();
    folder.rows.retain(|row| {
        let is_known = matches!(row.phase.as_str(), "start" | "prepare" | "load" | "memory");
        row.repetition == 0 && is_known && !row.metric.contains("user") && row.twin.is_none()
    });
    let report = markdown::render(&Summary::of(&folder));
    assert!(report.contains("There was one repetition") && report.contains("### Throughput"), "{report}");
    assert!(!report.contains("A/A") && !report.contains("Open loop: offered") && !report.contains("NaN"));
}

/// The same machine a day later, wasm being slower by a fifth.
fn later() -> RunFolder {
    let mut later = folder();
    later.run.id = "2026-11-23T120000Z".into();
    later.run.machine.insert("governor".into(), "powersave".into());
    later.run.executors[1].versions[0].1 = "1.2.4".into();
    for row in later.rows.iter_mut().filter(|row| row.executor == WASM && row.phase == "start") {
        row.value += row.value / 5;
    }
    later
}

#[test]
fn a_comparison_of_runs() {
    let compared = compare::compare(&[Summary::of(&folder()), Summary::of(&later())]).unwrap();
    insta::assert_snapshot!(compare::markdown(&compared));
    insta::assert_snapshot!("a_comparison_in_a_terminal", compare::table(&compared, None));
}

#[test]
fn only_what_is_worse_by_enough_closes_the_gate() {
    let (earlier, later) = (Summary::of(&folder()), Summary::of(&later()));
    let compared = compare::compare(&[earlier.clone(), later.clone()]).unwrap();
    let worse: Vec<_> = compared.worse(0.1).map(|change| change.after.name.as_str()).collect();
    assert_eq!(worse, ["start_p50"]);
    assert!(compared.is_worse(0.0) && !compared.is_worse(0.25));
    assert!(!compare::compare(&[later, earlier.clone()]).unwrap().is_worse(0.0), "faster is not worse");
    assert!(!compare::compare(&[earlier.clone(), earlier]).unwrap().is_worse(0.0), "equal is not worse");
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_reason() {
    let summary = Summary::of(&folder());
    let refused = |summaries: &[Summary]| compare::compare(summaries).unwrap_err();
    assert_eq!(refused(&[]), CompareError::TooFew(0));
    assert_eq!(refused(std::slice::from_ref(&summary)), CompareError::TooFew(1));
    let mut old = summary.clone();
    old.run.schema = 1;
    assert!(matches!(refused(&[summary.clone(), old]), CompareError::Schema { found: 1, .. }));
    let mut other = folder();
    other.rows.iter_mut().for_each(|row| row.function = "other".into());
    let reason = refused(&[summary, Summary::of(&other)]).to_string();
    assert!(reason.contains("no cell in common"), "{reason}");
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
    check("export", schemars::schema_for!(Export));
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
    for repetition in 0..2 {
        for (executor, start_ns, responses) in
            [("direct", 40, 80_000), (WASM, 5_000, 40_000), (DOCKER, 140_000_000, 20)]
        {
            // The second process is a little slower than the first.
            let slower = |value: u64| value + value * u64::from(repetition) / 100;
            let mut block = startup(executor, slower(start_ns));
            block.extend(answers(executor, slower(start_ns)));
            block.extend(load(executor, "fresh", responses - u64::from(repetition)));
            block.extend(load(executor, "warm", responses * 2 - u64::from(repetition)));
            block.extend(open(executor, responses));
            block.extend(burst(executor, slower(start_ns)));
            rows.extend(block.into_iter().map(|row| Row { repetition, ..row }));
        }
        let others = memory().into_iter().chain(density()).chain(twins()).chain(calibration());
        rows.extend(others.map(|row| {
            let noise = u64::from(repetition) * u64::from(row.metric.ends_with("_bytes")) * 512;
            Row { repetition, value: row.value + noise * row.live_instances.unwrap_or_default(), ..row }
        }));
    }
    RunFolder { run: run(), rows }
}

const WASM: &str = "wasm:compiler=cranelift";
const DOCKER: &str = "docker:network=shared";

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
        Row { cached: Some(false), ..row(executor, "prepare", "artifact_bytes", 90_000) },
    ];
    for sample in 0..20 {
        let uses = Some(1);
        let start_ns = start_ns + sample * start_ns / 100 + u64::from(sample == 19) * 50 * start_ns;
        for (phase, value) in [
            ("start", start_ns),
            ("start.create", start_ns / 4),
            ("start.link", start_ns / 2),
            ("invoke", 2_000 + sample),
            ("stop", start_ns / 10),
        ] {
            rows.push(Row { sample, uses, ..row(executor, phase, "duration_ns", value) });
        }
    }
    rows
}

/// Answers of everything cold, and warm ones.
fn answers(executor: &str, start_ns: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for sample in 0..4 {
        let mut answer = |cold: Cold, cached: Option<bool>, value: u64| {
            let answer = row(executor, "response", "duration_ns", value + sample * 1_000);
            rows.push(Row { sample, cold: Some(cold), cached, uses: Some(1), ..answer });
        };
        answer(Cold::Host, None, start_ns + 9_000_000);
        answer(Cold::Function, Some(false), start_ns + 56_000_000);
        answer(Cold::Function, Some(true), start_ns + 300_000);
        answer(Cold::Instance, None, start_ns + 20_000);
        let warm = row(executor, "response", "duration_ns", 25_000 + sample * 100);
        rows.push(Row { sample, uses: Some(sample + 2), reuse: Some("warm".into()), ..warm });
    }
    rows
}

fn load(executor: &str, reuse: &str, responses: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (connections, factor) in [(1, 1), (16, 2)] {
        for sample in 0..3 {
            let mut figures = vec![
                ("responses_count", responses * factor + sample),
                ("duration_ns", 1_000_000_000),
                ("latency_p50_ns", 300_000 * factor),
                ("latency_p90_ns", 600_000),
                ("latency_p99_ns", 900_000 + sample),
                ("latency_p999_ns", 1_900_000),
                ("latency_max_ns", 2_900_000),
                ("cpu_ns", 900_000_000),
                ("user_cpu_ns", 500_000_000),
                ("system_cpu_ns", 400_000_000),
                ("minor_faults_count", responses / 2),
                ("major_faults_count", 0),
                ("voluntary_switches_count", responses),
                ("involuntary_switches_count", 10),
                ("energy_uj", 15_000_000),
            ];
            if executor == DOCKER {
                figures.extend([
                    ("cgroup_cpu_ns", 50_000_000),
                    ("cgroup_user_cpu_ns", 40_000_000),
                    ("cgroup_system_cpu_ns", 10_000_000),
                    ("helpers_cpu_ns", 30_000_000),
                    ("daemon_cpu_ns", 70_000_000),
                ]);
            }
            rows.extend(figures.into_iter().map(|(metric, value)| Row {
                sample,
                reuse: Some(reuse.into()),
                connections: Some(connections),
                ..row(executor, "load", metric, value)
            }));
        }
    }
    rows
}

/// An open loop: at 90 % there is a queue that only a user sees.
fn open(executor: &str, responses: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (load_percent, queue) in [(50, 1), (90, 40)] {
        for sample in 0..2 {
            let offered = responses * load_percent / 50;
            let figures = [
                ("offered_count", offered),
                ("responses_count", offered - sample),
                ("dropped_count", sample),
                ("late_count", offered / 20),
                ("duration_ns", 1_000_000_000),
                ("latency_p50_ns", 300_000 * queue),
                ("latency_p99_ns", 900_000 * queue + sample),
                ("service_p50_ns", 300_000),
                ("service_p99_ns", 900_000 + sample),
                ("cpu_ns", 450_000_000),
            ];
            rows.extend(figures.map(|(metric, value)| Row {
                sample,
                reuse: Some("warm".into()),
                load_percent: Some(load_percent),
                rate_per_s: Some(offered),
                ..row(executor, "open", metric, value)
            }));
        }
    }
    rows
}

fn burst(executor: &str, start_ns: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for (sample, more) in [(0, 0), (1, 5_000)] {
        let figures = [
            ("responses_count", 64),
            ("duration_ns", 64 * start_ns + more),
            ("latency_p50_ns", 32 * start_ns),
            ("latency_max_ns", 63 * start_ns),
        ];
        rows.extend(figures.map(|(metric, value)| Row {
            sample,
            reuse: Some("fresh".into()),
            connections: Some(64),
            ..row(executor, "burst", metric, value)
        }));
    }
    rows
}

fn memory() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = |executor: &str, live: u64, invocations: u64, metric: &str, value: u64| {
        let key = Row {
            live_instances: Some(live),
            invocations: Some(invocations),
            ..row(executor, "memory", metric, value)
        };
        rows.push(key);
    };
    for invocations in [0, 1, 100] {
        for live in [0, 1, 4] {
            let touched = live * invocations * 1_024;
            at(WASM, live, invocations, "pss_bytes", 9_000_000 + live * 24_576 + touched);
            at(WASM, live, invocations, "private_bytes", 8_000_000 + live * 20_480 + touched);
            at(WASM, live, invocations, "model_bytes", live * 1_114_112);
            at(DOCKER, live, invocations, "pss_bytes", 9_000_000);
            at(DOCKER, live, invocations, "private_bytes", 8_000_000);
            at(DOCKER, live, invocations, "cgroup_bytes", live * 2_000_000);
            at(DOCKER, live, invocations, "helpers_pss_bytes", live * 5_000_000);
        }
    }
    rows
}

fn density() -> Vec<Row> {
    let mut rows = Vec::new();
    for (executor, most, limit) in [(WASM, 4_096, Limit::Instances), (DOCKER, 128, Limit::Memory)] {
        for live in [most / 2, most] {
            let at =
                |metric, value| Row { live_instances: Some(live), ..row(executor, "density", metric, value) };
            rows.push(at("held_bytes", live * 1_000_000));
            rows.push(at("latency_p99_ns", 40_000 + live));
        }
        let end = row(executor, "density", "instances_count", most);
        rows.push(Row { live_instances: Some(most), limit: Some(limit), ..end });
    }
    rows
}

/// The second cell of an A/A pair.
fn twins() -> Vec<Row> {
    let mut rows = startup(WASM, 5_020);
    rows.extend(load(WASM, "warm", 79_999));
    rows.into_iter().map(|row| Row { twin: Some(true), ..row }).collect()
}

fn calibration() -> Vec<Row> {
    let block = |(sample, value)| {
        let (function, variant) = (String::new(), String::new());
        Row { sample, function, variant, ..row(HOST, "calibration", "duration_ns", value) }
    };
    (0..).zip([1_000_000, 1_004_000, 998_000, 1_002_000]).map(block).collect()
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
        preset: facts(&json!({"name": "quick", "repetitions": 2})),
        machine: facts(&json!({"cpu": "A processor", "usable_cpus": [0, 1], "governor": null})),
        build: facts(&json!({"profile": "dev", "opt_level": "3"})),
        executors: vec![
            executor("direct", "direct", "none", None),
            executor("wasm", WASM, "Wasm instance", None),
            executor("docker", DOCKER, "container", None),
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

#[test]
fn the_runs_in_the_repository_can_be_read_and_rendered() {
    let published = format!("{}/published", env!("CARGO_MANIFEST_DIR"));
    let folders = std::fs::read_dir(published).unwrap().map(|entry| entry.unwrap().path());
    let runs: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    assert!(!runs.is_empty());
    for dir in runs {
        let folder = isolab_reports::folder::read(&dir).unwrap();
        assert_eq!(folder.run.status, RunStatus::Complete, "{}", dir.display());
        let report = render(&folder, &Summary::of(&folder), Format::Markdown);
        let committed = std::fs::read_to_string(dir.join("report.md")).unwrap();
        assert_eq!(report, committed, "{}: render it again with `isolab report`", dir.display());
    }
}
