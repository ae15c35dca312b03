//! The instruments against a known truth: functions that touch and burn a set amount.

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
        let slope = |invocations| {
            let of = rows.iter().filter(|row| row.phase == "memory" && row.metric == metric);
            let of =
                of.filter(|row| row.executor.starts_with(executor) && row.invocations == Some(invocations));
            let points = of.filter_map(|row| Some((row.live_instances? as f64, row.value as f64)));
            let points: Vec<_> = points.filter(|(live, _)| *live > 0.0).collect();
            line(&[points]).expect("there are several numbers of instances").slope.value
        };
        // Only the first request touches: what an untouched instance holds is not its doing.
        within(3.0, slope(1) - slope(0), f64::from(16 << 20), executor);
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
        "5".as_ref(),
    ]);
    assert!(gate.code == Some(1) && gate.stdout.contains("slower"), "{gate:?}");
}
