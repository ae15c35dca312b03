//! A load generator that is slowed on purpose marks its run invalid, and one that is not slowed
//! does not.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use isolab_reports::folder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::alone;
use crate::support::{Finished, isolab, run};

/// The generator is stopped this long …
const STOPPED: Duration = Duration::from_millis(8);
/// … and then runs this long: far more than a hundredth of the requests are late.
const RUNNING: Duration = Duration::from_millis(20);
/// Other programs of this machine may disturb a run. One of these must be valid.
const TRIES: u32 = 5;

fn bench(dir: &Path, more: &[&str]) -> Vec<String> {
    let line =
        "bench --executor direct --function hello --variant rust --reuse warm --only open --quick --out";
    let more = more.iter().copied();
    line.split(' ').chain([dir.to_str().unwrap()]).chain(more).map(str::to_owned).collect()
}

/// Stops and continues the generator's process, again and again, until it ends. Its server is
/// another process, which goes on.
fn disturb(mut generator: Child) -> Finished {
    let pid = Pid::from_raw(generator.id().cast_signed());
    while generator.try_wait().expect("it is this process's child").is_none() {
        // Both fail only if it has just ended.
        let _ = kill(pid, Signal::SIGSTOP);
        std::thread::sleep(STOPPED);
        let _ = kill(pid, Signal::SIGCONT);
        std::thread::sleep(RUNNING);
    }
    let output = generator.wait_with_output().expect("its pipes can be read");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn disturbed(dir: &Path, more: &[&str]) -> Finished {
    let mut command = isolab();
    command.args(bench(dir, more)).stdout(Stdio::piped()).stderr(Stdio::piped());
    disturb(command.spawn().expect("the binary runs"))
}

fn invalid(dir: &Path) -> Option<String> {
    folder::read(dir).unwrap().run.cells[0].invalid.clone()
}

#[test]
fn a_generator_that_is_slowed_on_purpose_marks_its_run_invalid() {
    let _alone = alone();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let finished = disturbed(&dir, &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("warning: invalid: the load generator was late"), "{finished:?}");
    assert!(invalid(&dir).is_some_and(|reason| reason.contains("by its own fault")), "{:?}", invalid(&dir));
    let report = std::fs::read_to_string(dir.join("report.md")).unwrap();
    assert!(report.contains("1 cell is invalid, because the load generator was late"), "{report}");
    let rows = folder::read(&dir).unwrap().rows;
    let sum = |metric: &str| rows.iter().filter(|row| row.metric == metric).map(|row| row.value).sum::<u64>();
    assert!(sum("generator_late_count") * 10 > sum("offered_count"), "a quarter of the time it stood still");
}

#[test]
fn an_undisturbed_generator_does_not_mark_its_run() {
    let _alone = alone();
    let tries: Vec<_> = (0..TRIES)
        .map(|_| {
            let parent = tempfile::tempdir().unwrap();
            let dir = parent.path().join("run");
            let finished = run(bench(&dir, &[]));
            assert_eq!(finished.code, Some(0), "{finished:?}");
            let warnings = folder::read(&dir).unwrap().run.host_warnings;
            if warnings.iter().any(|warning| warning.contains("other processes")) {
                eprintln!("not judged: {}", warnings.join("; "));
                return None;
            }
            let reason = invalid(&dir);
            assert_eq!(finished.stderr.contains("warning: invalid"), reason.is_some(), "{finished:?}");
            reason
        })
        .take_while(Option::is_some)
        .collect();
    assert!(tries.len() < TRIES as usize, "{tries:?}");
}

#[test]
fn the_command_says_that_the_generator_was_late() {
    let _alone = alone();
    let server = crate::support::server::Server::start(crate::support::server::Behaviour::default());
    let mut command = isolab();
    command.args(["load", &server.url(), "--rate", "1000", "--duration", "1s", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let finished = disturb(command.spawn().expect("the binary runs"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let json: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(json["is_valid"], false, "{json}");
    assert!(json["generator_late_count"].as_u64() > Some(100), "{json}");
    assert!(finished.stderr.contains("warning: the load generator was late"), "{finished:?}");
}
