//! Runs of a few cells: the contents of their folders, and cells that fail.

use std::collections::BTreeSet;
use std::path::Path;

use isolab_reports::row::{Cold, HOST};
use isolab_reports::{Latencies, Row, RunStatus, Status, folder};

use crate::support::{can_run, finish, isolab, one_run_at_a_time, run, write_function};

fn read(dir: &Path) -> isolab_reports::RunFolder {
    folder::read(dir).expect("a run folder can be read")
}

pub(crate) fn valid(schema: &str, values: impl IntoIterator<Item = serde_json::Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/schema").join(schema);
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for value in values {
        if let Err(error) = validator.validate(&value) {
            panic!("{error}: {value}");
        }
    }
}

fn count<'a>(rows: impl IntoIterator<Item = &'a Row>, phase: &str, metric: &str) -> usize {
    rows.into_iter().filter(|row| row.phase == phase && row.metric == metric).count()
}

#[test]
fn a_run_folder_has_every_experiment_and_matches_the_schemas() {
    let _run = one_run_at_a_time();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let finished = run([
        "--executor",
        "direct,wasm",
        "--function",
        "hello,fibonacci",
        "--variant",
        "rust",
        "--quick",
        "--only",
        "startup,memory,density,load,open,slo,burst,mix",
        "--workers",
        "1,2",
        "--arrivals",
        "constant",
        "--slo",
        "5s",
        "--seed",
        "7",
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.last_line(), dir.canonicalize().unwrap().display().to_string());
    assert!(finished.stdout.contains("hello rust"), "{}", finished.stdout);
    let said: Vec<_> = finished.stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(said, [""; 0], "no progress if stderr is not a terminal");

    let lines = std::fs::read_to_string(dir.join("rows.jsonl")).unwrap();
    valid("row.schema.json", lines.lines().map(|line| serde_json::from_str(line).unwrap()));
    valid(
        "run.schema.json",
        [serde_json::from_slice(&std::fs::read(dir.join("run.json")).unwrap()).unwrap()],
    );
    assert!(std::fs::read_to_string(dir.join("report.md")).unwrap().contains("| `wasm` |"));

    let folder::ReadError::File { .. } = folder::read(parent.path()).unwrap_err() else {
        panic!("the parent is not a run folder")
    };
    let isolab_reports::RunFolder { run, rows } = read(&dir);
    assert_eq!((run.status, run.seed, run.cells.len()), (RunStatus::Complete, 7, 8));
    assert!(run.cells.iter().all(|cell| cell.status == Status::Ok), "{:?}", run.cells);
    for executor in &run.executors {
        let of: Vec<_> =
            rows.iter().filter(|row| row.executor == executor.spec && row.function == "hello").collect();
        let of = || of.iter().copied();
        assert_eq!(count(of(), "prepare", "duration_ns"), 2, "without and with cache");
        let artifacts = of().filter(|row| row.metric == "artifact_bytes");
        let digests: BTreeSet<_> = artifacts.map(|row| (row.value > 0, row.source_digest.clone())).collect();
        assert_eq!(digests.len(), 1, "one artifact of one source: {digests:?}");
        assert!(digests.iter().all(|(is_there, digest)| *is_there && digest.is_some()), "{digests:?}");
        for phase in ["start", "invoke", "stop", "response"] {
            assert!(count(of(), phase, "duration_ns") > 5, "{phase}");
        }
        for metric in ["pss_bytes", "private_bytes"] {
            assert_eq!(count(of(), "memory", metric), 6, "three counts of instances, invoked 0 and 1 times");
        }
        for metric in ["responses_count", "duration_ns", "latency_count", "cpu_ns"] {
            assert_eq!(count(of(), "load", metric), 8, "{metric}: two policies, two loads, two windows");
        }
        for metric in ["offered_count", "dropped_count", "late_count", "latency_count", "service_count"] {
            let windows = count(of(), "open", metric);
            assert!(windows >= 6, "{metric}: two policies, and at least three rates each: {windows}");
        }
        has_loads_of_users(&of().collect::<Vec<_>>());
        assert_eq!(count(of(), "burst", "latency_count"), 4, "two policies, two numbers, one round");
        for row in of().filter(|row| row.metric == "latency_count" || row.metric == "service_count") {
            assert_eq!(row.histogram.as_ref().map(Latencies::count), Some(row.value), "{row:?}");
        }
        assert_eq!(count(of(), "density", "instances_count"), 1);
        let colds: BTreeSet<_> = of().filter_map(|row| row.cold).collect();
        assert_eq!(colds, BTreeSet::from([Cold::Host, Cold::Function, Cold::Instance]));
        let cold = of().filter(|row| row.cold.is_some() || (row.phase == "invoke" && row.reuse.is_none()));
        let uses: BTreeSet<_> = cold.map(|row| row.uses).collect();
        assert_eq!(uses, BTreeSet::from([Some(1)]), "cold is proved");
        let tell_of_the_model = ["memory", "density", "open", "slo", "burst", "mix", "contention"];
        assert!(
            rows.iter()
                .all(|row| row.function == "hello" || !tell_of_the_model.contains(&row.phase.as_str())),
            "with one function only"
        );
    }
}

/// The rates of the ladder, many functions, and several workers. A bound of 5 s needs probes of
/// 100 s, for which there is no time.
fn has_loads_of_users(rows: &[&Row]) {
    let rates: BTreeSet<_> =
        rows.iter().filter(|row| row.phase == "open").map(|row| row.rate_per_s).collect();
    let is_step = |rate: &Option<u64>| {
        rate.is_some_and(|rate| {
            rate.to_string().trim_end_matches('0').parse::<u8>().is_ok_and(|it| [1, 2, 5].contains(&it))
        })
    };
    assert!(rates.iter().all(is_step), "{rates:?}");
    assert_eq!(rows.iter().filter(|row| row.phase == "slo").count(), 0);
    let of = |phase: &str, metric: &str| -> Vec<&Row> {
        let of = rows.iter().filter(|row| row.phase == phase && row.metric == metric);
        of.copied().collect()
    };
    assert!(of("mix", "responses_count").iter().all(|row| row.functions == Some(1_000) && row.value > 0));
    let (cold, functions) = (of("mix", "cold_count"), of("mix", "functions_count"));
    assert_eq!(cold.len(), 2, "warm instances only, and two windows");
    let first = |rows: &[&Row]| rows.iter().find(|row| row.sample == 0).unwrap().value;
    // Each function has no instance at first, and each connection may start one of its own.
    assert!(first(&cold) >= first(&functions) && first(&functions) > 10, "{cold:?} {functions:?}");
    let workers: BTreeSet<_> = of("contention", "responses_count").iter().map(|row| row.workers).collect();
    assert_eq!(workers, BTreeSet::from([Some(1), Some(2)]));
}

#[test]
fn cells_fail_with_their_cause_and_the_rest_goes_on() {
    let _run = one_run_at_a_time();
    if !can_run("v8") {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let fetch = |body: &str| format!("export default {{ async fetch(request) {{ {body} }} }};");
    let functions = [
        ("throws", fetch("throw new Error('out of luck');"), "out of luck"),
        ("spins", fetch("for (;;) {}"), "deadline"),
        ("differs", fetch("return new Response('no');"), "broken: case ok"),
        ("misspelt", "export default {".to_owned(), "misspelt"),
    ];
    let mut arguments = vec!["--quick".to_owned(), "--executor".into(), "v8,direct".into()];
    for (name, handler, _) in &functions {
        let folder = parent.path().join(name);
        write_function(&folder, handler);
        arguments.extend(["--function".into(), folder.display().to_string()]);
    }
    let dir = parent.path().join("run");
    arguments.extend(["--function", "fibonacci", "--out", dir.to_str().unwrap()].map(str::to_owned));
    let finished = run(&arguments);
    assert_eq!(finished.code, Some(1), "{finished:?}");

    let isolab_reports::RunFolder { run, rows } = read(&dir);
    assert_eq!(run.status, RunStatus::Complete);
    let report = std::fs::read_to_string(dir.join("report.md")).unwrap();
    for (name, _, cause) in functions {
        let mut cells =
            run.cells.iter().filter(|cell| cell.function == name && cell.executor.starts_with("v8"));
        assert!(
            cells.all(|cell| cell.status == Status::Failed
                && cell.reason.as_deref().is_some_and(|reason| reason.contains(cause))),
            "{name}: {:?}",
            run.cells
        );
        assert!(rows.iter().all(|row| row.function != name), "{name} is never a number");
        assert!(report.contains(name) && finished.stderr.contains(cause), "{report}");
    }
    let ok = run.cells.iter().filter(|cell| cell.status == Status::Ok).count();
    assert_eq!(ok, 6, "fibonacci on v8 as rust and js, on direct as rust: {:?}", run.cells);
    let skipped = run.cells.iter().filter(|cell| cell.status == Status::Skipped);
    assert!(skipped.into_iter().all(|cell| cell.executor.starts_with("direct") && cell.variant == "js"));
}

#[test]
fn the_report_shows_an_executor_that_cannot_run_as_unavailable() {
    let _run = one_run_at_a_time();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let finished = finish(
        isolab()
            .args(["--function", "hello", "--variant", "rust", "--reuse", "warm", "--quick", "--out"])
            .arg(&dir)
            .env("DOCKER_HOST", "unix:///nowhere/docker.sock"),
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let isolab_reports::RunFolder { run, .. } = read(&dir);
    let docker = run.cells.iter().find(|cell| cell.executor.starts_with("docker")).unwrap();
    assert_eq!(docker.status, Status::Unavailable);
    assert!(docker.reason.as_deref().unwrap().contains("/nowhere/docker.sock"), "{docker:?}");
    assert!(std::fs::read_to_string(dir.join("report.md")).unwrap().contains("unavailable"));
}

#[test]
fn a_container_that_dies_at_start_fails_its_cells() {
    let _run = one_run_at_a_time();
    if !can_run("docker") {
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("dies");
    write_function(&folder, "process.exit(7);\nexport default { fetch() { return new Response('ok'); } };");
    let dir = parent.path().join("run");
    let finished = run([
        "--executor",
        "docker",
        "--function",
        folder.to_str().unwrap(),
        "--quick",
        "--reuse",
        "warm",
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let isolab_reports::RunFolder { run, rows } = read(&dir);
    let reason = run.cells[0].reason.as_deref().unwrap();
    assert!(run.cells[0].status == Status::Failed && reason.contains("exit code 7"), "{reason}");
    assert!(rows.iter().all(|row| row.executor == HOST), "{rows:?}");
}

#[test]
fn functions_that_send_requests_find_the_origin() {
    let _run = one_run_at_a_time();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let finished = run([
        "--executor",
        "wasm",
        "--function",
        "fanout,proxy",
        "--variant",
        "rust",
        "--reuse",
        "warm",
        "--quick",
        "--only",
        "startup,load,waiting",
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let isolab_reports::RunFolder { run, rows } = read(&dir);
    assert!(run.cells.iter().all(|cell| cell.status == Status::Ok), "{:?}", run.cells);
    assert!(run.notes.iter().any(|note| note.contains("the host `origin`")), "{:?}", run.notes);
    for function in ["fanout", "proxy"] {
        let of = || rows.iter().filter(|row| row.function == function);
        assert!(count(of(), "load", "responses_count") > 0, "{function}");
        assert!(count(of(), "waiting", "responses_count") > 0, "{function}");
    }
}
