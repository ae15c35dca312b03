//! Ctrl-C in the middle of a run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use isolab_reports::{RunStatus, Status, folder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{can_run, isolab, one_run_at_a_time};

/// Processes of a run: every child has its id on its command line.
fn processes_of(id: &str) -> Vec<i32> {
    let all = procfs::process::all_processes().unwrap().flatten();
    let is_of_run = |process: &procfs::process::Process| {
        process.cmdline().is_ok_and(|arguments| arguments.iter().any(|argument| argument == id))
    };
    all.filter(is_of_run).map(|process| process.pid).collect()
}

fn containers_of(id: &str) -> String {
    let filter = format!("label=isolab.run={id}");
    let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output();
    String::from_utf8(listed.expect("the engine has its command").stdout).unwrap()
}

/// Names of socket folders that some session holds or has left behind.
fn socket_folders(within: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(within).unwrap().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Polls until it holds.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(2), "{what}");
        std::thread::yield_now();
    }
}

/// Interrupts a run over `executor` as soon as it has rows, and looks at what is left.
fn leaves_nothing_behind(executor: &str) {
    let parent = tempfile::tempdir().unwrap();
    let temporary = parent.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let dir = parent.path().join("run");
    let mut bench = isolab()
        .args([
            "bench",
            "--full",
            "--executor",
            executor,
            "--function",
            "hello",
            "--variant",
            "rust",
            "--out",
        ])
        .arg(&dir)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let rows = dir.join("rows.jsonl");
    wait_until("the first rows", || std::fs::metadata(&rows).is_ok_and(|file| file.len() > 0));
    let id = folder::read(&dir).unwrap().run.id;
    wait_until("a child", || !processes_of(&id).is_empty());

    kill(Pid::from_raw(bench.id().cast_signed()), Signal::SIGINT).unwrap();
    let begun = Instant::now();
    let status = bench.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?} to end", begun.elapsed());

    let left = folder::read(&dir).unwrap();
    assert_eq!(left.run.status, RunStatus::Interrupted);
    assert!(left.run.ended.is_some() && !left.rows.is_empty());
    assert!(left.run.cells.iter().any(|cell| cell.status == Status::Pending), "{:?}", left.run.cells);
    assert!(std::fs::read_to_string(dir.join("report.md")).unwrap().contains("interrupted"));
    assert_eq!(processes_of(&id), Vec::<i32>::new(), "a child is left");
    assert_eq!(socket_folders(&temporary), Vec::<String>::new(), "files are left");
    if executor == "docker" {
        assert_eq!(containers_of(&id), "", "a container is left");
    }
}

#[test]
fn an_interrupted_run_resumes_where_it_stopped() {
    let _run = one_run_at_a_time();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let mut bench = isolab()
        .args(["bench", "--quick", "--repetitions", "2", "--executor", "direct", "--seed", "3", "--out"])
        .arg(&dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the first block", || folder::read(&dir).is_ok_and(|run| !run.run.blocks_done.is_empty()));
    kill(Pid::from_raw(bench.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(bench.wait().unwrap().code(), Some(130));
    let stopped = folder::read(&dir).unwrap();
    let done = stopped.run.blocks_done.clone();
    assert!(done.len() < 4, "it was stopped too late: {done:?}");

    let resume = || isolab().args(["bench", "--resume"]).arg(&dir).output().unwrap();
    let output = resume();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let whole = folder::read(&dir).unwrap();
    assert_eq!((whole.run.status, whole.run.id), (RunStatus::Complete, stopped.run.id));
    assert_eq!(whole.run.blocks_done[..done.len()], done);
    assert!(whole.run.cells.iter().filter(|cell| cell.variant == "rust").all(|it| it.status == Status::Ok));
    // Nothing is there twice: both blocks of a function have prepared once without and
    // once with cache.
    for function in ["hello", "json", "blake3", "fibonacci"] {
        let of = whole.rows.iter().filter(|row| row.function == function && row.phase == "prepare");
        assert_eq!(of.filter(|row| row.metric == "duration_ns").count(), 4, "{function}");
    }
    let again = resume();
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.code() == Some(2) && said.contains("it is complete"), "{said}");
}

#[test]
fn an_interrupted_run_is_valid_and_leaves_nothing_behind() {
    let _run = one_run_at_a_time();
    leaves_nothing_behind("direct");
}

#[test]
fn an_interrupted_run_leaves_no_container() {
    let _run = one_run_at_a_time();
    if can_run("docker") {
        leaves_nothing_behind("docker");
    }
}
