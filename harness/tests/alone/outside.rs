//! The cost of containers outside of the server, against known truths: a busy daemon,
//! and shims that come and go.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use isolab_reports::{Row, folder};

use crate::alone;
use crate::support::{can_run, is_required, run};

/// The rows of a closed loop of `docker` with one connection.
fn load(function: &str, variant: &str, reuse: &str) -> Vec<Row> {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let finished = run([
        "--executor",
        "docker",
        "--function",
        function,
        "--variant",
        variant,
        "--reuse",
        reuse,
        "--only",
        "load",
        "--quick",
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let rows = folder::read(&dir).unwrap().rows;
    rows.into_iter().filter(|row| row.phase == "load" && row.connections == Some(1)).collect()
}

fn sum(rows: &[Row], metric: &str) -> f64 {
    let of: Vec<_> = rows.iter().filter(|row| row.metric == metric).collect();
    assert!(!of.is_empty(), "there is no row `{metric}`");
    of.iter().map(|row| row.value as f64).sum()
}

/// The part of the load's time that a metric takes.
fn part(rows: &[Row], metric: &str) -> f64 {
    sum(rows, metric) / sum(rows, "duration_ns")
}

/// The socket of the engine, if it is a local one.
fn engine() -> Option<PathBuf> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    Some(PathBuf::from(host.strip_prefix("unix://")?))
}

/// Asks the engine for its facts, which costs the daemon some milliseconds.
fn ask(socket: &Path) -> std::io::Result<usize> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /info HTTP/1.0\r\nhost: engine\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new())
}

#[test]
fn a_busy_daemon_is_counted_as_a_daemon() {
    let _alone = alone();
    let Some(socket) = engine().filter(|_| can_run("docker")) else { return };
    let quiet = load("hello", "rust", "warm");
    let is_over = AtomicBool::new(false);
    let (busy, asked) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                asked += ask(&socket).unwrap();
            }
            asked
        });
        let busy = load("hello", "rust", "warm");
        is_over.store(true, Ordering::Relaxed);
        (busy, asking.join().unwrap())
    });
    assert!(asked > 0);
    let [quiet, busy] =
        [quiet, busy].map(|rows| (part(&rows, "daemon_cpu_ns"), part(&rows, "helpers_cpu_ns")));
    assert!(busy.0 > quiet.0 + 0.05, "daemons took {quiet:?}, and {busy:?} while they were asked");
    assert!(busy.1 < quiet.1 + 0.05, "helpers took {quiet:?}, and {busy:?} while daemons were asked");
}

#[test]
fn shims_that_come_and_go_are_counted() {
    let _alone = alone();
    if !can_run("docker") {
        return;
    }
    let rows = load("hello", "rust", "fresh");
    if rows.iter().all(|row| row.metric != "helpers_cpu_ns") {
        // The engine shares its control group with other processes. Set-up starts one that does not.
        assert!(
            !is_required("docker"),
            "the CPU time of shims is not counted; start the engine by `make setup`"
        );
        return;
    }
    let each = |metric| sum(&rows, metric) / sum(&rows, "responses_count");
    let (helpers, containers) = (each("helpers_cpu_ns"), each("cgroup_cpu_ns"));
    // A shim and the runtime that it calls are programs of many megabytes: starting them takes
    // more than a millisecond, and less than the 200 ms of the whole start.
    assert!((1e6..200e6).contains(&helpers), "shims took {helpers} ns for each container");
    assert!((1e5..200e6).contains(&containers), "a container took {containers} ns");
}
