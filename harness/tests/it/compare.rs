//! `isolab compare`: two servers at once, and what it says of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use isolab_reports::row::Side;
use isolab_reports::{RunStatus, folder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::bench::valid;
use crate::support::{Finished, finish, isolab, one_run_at_a_time, run};

fn instrument(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/instruments").join(name);
    path.display().to_string()
}

/// Runs a comparison into a new folder, which lives as long as the first part of the answer.
fn compare(arguments: &[&str]) -> (tempfile::TempDir, PathBuf, Finished) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let mut command = isolab();
    command.arg("compare").args(arguments).arg("--out").arg(&dir);
    let finished = finish(&mut command);
    (parent, dir, finished)
}

#[test]
fn sides_alternate_within_quads_and_the_finding_can_be_made_again() {
    let _run = one_run_at_a_time();
    let (_parent, dir, finished) = compare(&["direct", "direct", "--budget", "3s", "--seed", "4"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = std::fs::read_to_string(dir.join("rows.jsonl")).unwrap();
    valid("row.schema.json", lines.lines().map(|line| serde_json::from_str(line).unwrap()));
    valid(
        "run.schema.json",
        [serde_json::from_slice(&std::fs::read(dir.join("run.json")).unwrap()).unwrap()],
    );

    let read = folder::read(&dir).unwrap();
    assert_eq!((read.run.status, read.run.seed), (RunStatus::Complete, 4));
    let windows = read.rows.iter().filter(|row| row.metric == "responses_count");
    let sides: Vec<Side> = windows.map(|row| row.side.unwrap()).collect();
    assert!(sides.len() >= 8 && sides.len().is_multiple_of(4), "{} windows", sides.len());
    for quad in sides.chunks(4) {
        let [one, two, three, four] = quad else { panic!("{quad:?}") };
        assert!(one == four && two == three && one != two, "{quad:?}");
    }
    // The server that is not loaded must not disturb the other.
    let sum = |metric: &str| -> u64 {
        read.rows.iter().filter(|row| row.metric == metric).map(|row| row.value).sum()
    };
    assert!(sum("idle_cpu_ns") * 100 < sum("cpu_ns"), "{} of {}", sum("idle_cpu_ns"), sum("cpu_ns"));

    let again = run(["report".as_ref(), dir.as_os_str()]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(format!("{}{}\n", again.stdout, dir.canonicalize().unwrap().display()), finished.stdout);
}

#[test]
fn ten_percent_more_work_is_found_and_fails_a_gate() {
    let _run = one_run_at_a_time();
    let (burn, slower) = (instrument("burn"), instrument("slower/burn"));
    let (_parent, _dir, finished) = compare(&[
        "direct",
        "--function",
        &burn,
        "--function",
        &slower,
        "--variant",
        "rust",
        "--metric",
        "cpu",
        "--fail-if-worse",
        "5",
        "--json",
    ]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(found["finding"], "difference", "{found}");
    let (low, high) = (found["ratio"]["low"].as_f64().unwrap(), found["ratio"]["high"].as_f64().unwrap());
    assert!(low <= 1.11 && high >= 1.09, "{found}");
    assert!(finished.stderr.contains("worse by more than 5 %"), "{finished:?}");
}

#[test]
fn an_interrupt_keeps_every_window() {
    let _run = one_run_at_a_time();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let mut command = isolab();
    command.args(["compare", "direct", "direct", "--out"]).arg(&dir);
    let process = command.stdout(Stdio::piped()).spawn().unwrap();
    while !std::fs::metadata(dir.join("rows.jsonl")).is_ok_and(|file| file.len() > 0) {
        std::thread::yield_now();
    }
    kill(Pid::from_raw(process.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let read = folder::read(&dir).unwrap();
    assert!(read.run.status == RunStatus::Interrupted && !read.rows.is_empty());
    assert!(String::from_utf8_lossy(&output.stdout).contains("undecided"), "{output:?}");
}

#[test]
fn bad_sides_are_refused() {
    let refused = |arguments: &[&str], reason: &str| {
        let finished = run([&["compare"], arguments].concat());
        assert!(finished.code == Some(2) && finished.stderr.contains(reason), "{arguments:?}: {finished:?}");
    };
    refused(&["direct"], "nothing to compare");
    refused(&["direct", "direkt"], "did you mean `direct`?");
    refused(&["direct", "--build", "/bin/true"], "second `--build`");
    refused(&["direct", "--build", "/bin/true", "--build", "/bin/true"], "another program");
    refused(&["direct", "--function", "hello,json"], "do not expect the same response body");
    refused(&["direct", "direct", "--metric", "start", "--reuse", "warm"], "--reuse fresh");
    refused(&["direct", "direct", "--metric", "weight"], "rate, latency");
    refused(&["direct", "direct", "--margin", "0"], "is not a percentage");
}

#[test]
fn missing_counters_and_a_missing_valgrind_are_said() {
    let without =
        finish(isolab().args(["compare", "direct", "direct", "--callgrind"]).env("PATH", "/nowhere"));
    assert!(without.code == Some(2) && without.stderr.contains("apt-get install valgrind"), "{without:?}");
    if isolab::host::probes::counters::available().is_err() {
        let (_parent, _dir, refused) = compare(&["direct", "direct", "--metric", "instructions"]);
        assert!(refused.code == Some(2) && refused.stderr.contains("--callgrind"), "{refused:?}");
    }
}
