//! Ctrl-C in the middle of a run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use isolab_reports::{RunStatus, Status, folder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Serving, can_run, can_run_as, isolab, one_run_at_a_time};

/// Processes of a run: every child has its id on its command line.
fn processes_of(id: &str) -> Vec<i32> {
    let all = procfs::process::all_processes().unwrap().flatten();
    let is_of_run = |process: &procfs::process::Process| {
        process.cmdline().is_ok_and(|arguments| arguments.iter().any(|argument| argument == id))
    };
    all.filter(is_of_run).map(|process| process.pid).collect()
}

fn containers_of(id: &str) -> String {
    containers(&format!("isolab.run={id}"))
}

/// The numbers of the containers with this label, a line each.
fn containers(label: &str) -> String {
    let filter = format!("label={label}");
    let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output();
    String::from_utf8(listed.expect("the engine has its command").stdout).unwrap()
}

/// Names of socket folders that some session holds or has left behind.
fn socket_folders(within: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(within).unwrap().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The containers of a session, which has the name of its socket folder.
fn containers_of_folder(folder: &str) -> String {
    let session = folder.strip_prefix("isolab-").expect("a socket folder");
    containers(&format!("isolab.session={session}"))
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

/// Nothing of a server that is killed can remove its containers and sockets.
#[test]
fn a_server_sweeps_the_leftovers_of_one_that_was_killed() {
    let _run = one_run_at_a_time();
    if !can_run("docker") {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let serve = || {
        Serving::start_with(
            isolab()
                .args(["serve", "--listen", "127.0.0.1:0", "--executor", "docker", "--variant", "rust"])
                .env("TMPDIR", temporary.path()),
        )
    };
    let mut killed = serve();
    assert_eq!(killed.connect().get("/hello").unwrap().response.status(), 200);
    let left = socket_folders(temporary.path());
    assert_eq!(left.len(), 1, "{left:?}");
    killed.signal(Signal::SIGKILL);
    wait_until("the end of the killed server", || killed.ended().is_some());
    assert_eq!(socket_folders(temporary.path()), left);
    assert_ne!(containers_of_folder(&left[0]), "");

    let next = serve();
    assert_eq!(next.connect().get("/hello").unwrap().response.status(), 200);
    let now = socket_folders(temporary.path());
    assert!(now.len() == 1 && now != left, "{now:?} after {left:?}");
    assert_eq!(containers_of_folder(&left[0]), "");
    assert!(next.terminate().success());
    assert_eq!(socket_folders(temporary.path()), Vec::<String>::new());
    assert_eq!(containers_of_folder(&now[0]), "");
}

/// Nothing but the kernel can end them then.
#[test]
fn the_processes_of_a_server_that_was_killed_end_with_it() {
    for (executor, variant) in [("process", "rust"), ("workerd", "js"), ("deno", "js")] {
        if !can_run_as(executor, variant) {
            continue;
        }
        let mut killed = Serving::start(&["--executor", executor, "--variant", variant]);
        assert_eq!(killed.connect().get("/hello").unwrap().response.status(), 200);
        let instances = children_of(killed.pid());
        assert_eq!(instances.len(), 1, "{executor}: {instances:?}");
        killed.signal(Signal::SIGKILL);
        wait_until("the end of the killed server", || killed.ended().is_some());
        wait_until("the end of its processes", || instances.iter().all(|id| !is_running(*id)));
    }
}

fn children_of(parent: Pid) -> Vec<i32> {
    let all = procfs::process::all_processes().unwrap().flatten();
    let stats = all.filter_map(|process| process.stat().ok());
    stats.filter(|stat| stat.ppid == parent.as_raw()).map(|stat| stat.pid).collect()
}

fn is_running(process: i32) -> bool {
    let stat = procfs::process::Process::new(process).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.state != 'Z')
}
