//! The instruments against a known truth: functions that touch, map and burn a set amount.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isolab_reports::compare::compare;
use isolab_reports::figures::{Comparison, Verdict};
use isolab_reports::statistics::line;
use isolab_reports::{Row, Summary, folder};
use tempfile::TempDir;

use crate::alone;
use crate::support::{can_run, run};

/// Measures one experiment of an instrument, as plain rows.
fn measure(executors: &[&str], instrument: &str, experiment: &str) -> Vec<Row> {
    let (_parent, dir) = measure_into_folder(executors, instrument, experiment, "1");
    folder::read(&dir).unwrap().rows
}

/// Measures one experiment of an instrument. Answers the run's folder, and what removes it.
fn measure_into_folder(
    executors: &[&str],
    instrument: &str,
    experiment: &str,
    repetitions: &str,
) -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let function = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/instruments").join(instrument);
    let (executors, function) = (executors.join(","), function.display().to_string());
    let finished = run([
        "--executor",
        &executors,
        "--function",
        &function,
        "--variant",
        "rust",
        "--reuse",
        "warm",
        "--only",
        experiment,
        "--quick",
        "--repetitions",
        repetitions,
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    (parent, dir)
}

fn possible<'a>(executors: &[&'a str]) -> Vec<&'a str> {
    executors.iter().copied().filter(|executor| can_run(executor)).collect()
}

fn within(percent: f64, measured: f64, truth: f64, what: &str) {
    let off = (measured / truth - 1.0) * 100.0;
    assert!(off.abs() <= percent, "{what}: {measured} instead of {truth}, {off:+.2} %");
}

#[test]
fn a_function_that_touches_16_mebibytes_shows_a_slope_of_16_mebibytes() {
    let _alone = alone();
    let executors = possible(&["wasm", "v8", "docker"]);
    let rows = measure(&executors, "touch", "memory");
    for executor in executors {
        // The function runs in the container where there is one, else in the server.
        let metric = if executor == "docker" { "cgroup_bytes" } else { "pss_bytes" };
        for metrics in [&[metric][..], &EVERYTHING] {
            // Only the first request touches: what an untouched instance holds is not its doing.
            within(3.0, first_request(&rows, executor, metrics), f64::from(16 << 20), executor);
        }
    }
}

/// All that the host holds for a model.
const EVERYTHING: [&str; 5] =
    ["pss_bytes", "page_tables_bytes", "cgroup_bytes", "helpers_pss_bytes", "helpers_page_tables_bytes"];

/// Bytes that the first request adds to an instance, by the slopes over live instances.
fn first_request(rows: &[Row], executor: &str, metrics: &[&str]) -> f64 {
    let slope = |invocations| {
        let mut points = BTreeMap::<u64, u64>::new();
        let of = rows.iter().filter(|row| row.phase == "memory" && metrics.contains(&row.metric.as_str()));
        let of = of.filter(|row| row.executor.starts_with(executor) && row.invocations == Some(invocations));
        for row in of {
            *points.entry(row.live_instances.unwrap()).or_default() += row.value;
        }
        let points = points.into_iter().filter(|(live, _)| *live > 0);
        let points: Vec<_> = points.map(|(live, bytes)| (live as f64, bytes as f64)).collect();
        line(&[points]).expect("there are several numbers of instances").slope.value
    };
    slope(1) - slope(0)
}

#[test]
fn a_function_that_maps_64_mebibytes_and_touches_none_shows_nothing() {
    let _alone = alone();
    let executors = possible(&["wasm", "v8", "docker"]);
    let rows = measure(&executors, "map", "memory");
    for executor in executors {
        let shown = first_request(&rows, executor, &EVERYTHING);
        // A first request touches some memory of its own; 2 % of what is mapped.
        let bound = 0.02 * f64::from(64 << 20);
        assert!(shown < bound, "{executor}: {shown} bytes although nothing was touched");
    }
}

#[test]
fn a_function_that_burns_10_milliseconds_shows_10_milliseconds() {
    let _alone = alone();
    let executors = possible(&["direct", "docker"]);
    let rows = measure(&executors, "burn", "load");
    for executor in executors {
        let sum = |metrics: &[&str]| -> u64 {
            // With one connection no answer is half done where a window ends.
            let of = rows.iter().filter(|row| row.phase == "load" && row.connections == Some(1));
            let of = of.filter(|row| row.executor.starts_with(executor));
            of.filter(|row| metrics.contains(&row.metric.as_str())).map(|row| row.value).sum()
        };
        // The function runs in the container where there is one, else in the server.
        let metric = if executor == "docker" { "cgroup_cpu_ns" } else { "cpu_ns" };
        let cpu_ns = sum(&[metric]) as f64 / sum(&["responses_count"]) as f64;
        within(5.0, cpu_ns, 10e6, executor);
    }
}

#[test]
fn ten_percent_more_work_is_found_and_a_repeated_run_is_not_slower() {
    let _alone = alone();
    let [first, again, slower] = ["burn", "burn", "slower/burn"]
        .map(|instrument| measure_into_folder(&["direct"], instrument, "load", "3"));
    let cpu = |other: &Path| -> Comparison {
        let runs = [&first.1, other].map(|dir| Summary::of(&folder::read(dir).unwrap()));
        let compared = compare(&runs).unwrap();
        let changes = compared.runs[0].changes.iter();
        let mut cpu = changes
            .filter(|change| change.after.name == "load_cpu" && change.after.settings.connections == Some(1));
        cpu.next().unwrap().comparison
    };
    within(5.0, cpu(&again.1).ratio.value, 1.0, "a repetition");
    let found = cpu(&slower.1);
    within(5.0, found.ratio.value, 1.1, "10 % more");
    assert_eq!(found.verdict, Verdict::Worse, "{found:?}");

    let gate = run([
        "report".as_ref(),
        first.1.as_os_str(),
        slower.1.as_os_str(),
        "--smallest-percent".as_ref(),
        "2".as_ref(),
    ]);
    // CPU time shows it also where others take the processor.
    let is_found = |line: &str| line.contains("load_cpu") && line.contains("more");
    assert!(gate.code == Some(1) && gate.stdout.lines().any(is_found), "{gate:?}");
}
