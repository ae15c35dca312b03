//! The instruments against a known truth: functions that touch and burn a set amount.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use isolab_reports::statistics::line;
use isolab_reports::{Row, folder};

mod support;

use support::{can_run, run};

/// The tests of this file would disturb each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Measures one experiment of an instrument, as plain rows.
fn measure(executors: &[&str], instrument: &str, experiment: &str) -> Vec<Row> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
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
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    folder::read(&dir).unwrap().rows
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
