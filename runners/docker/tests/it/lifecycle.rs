//! Opening, preparing, starting, stopping, and the leftovers of each.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Lab, cache_folder, containers, environment, function, get, resolve, start, stop};
use isolab_core::{Cause, Executor, Laps, Variant};
use isolab_docker::Docker;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::net::TcpSocket;

#[tokio::test]
async fn an_absent_engine_is_reported_within_seconds() {
    let (folder, cache) = cache_folder();
    let silent = folder.path().join("silent");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    // A port that is taken, and at which nobody listens.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = closed.local_addr().unwrap().port();
    let hosts = [
        format!("unix://{}/absent", folder.path().display()),
        format!("unix://{}", silent.display()),
        format!("tcp://127.0.0.1:{port}"),
        "carrier-pigeon://coop".to_owned(),
    ];
    for host in hosts {
        let begun = Instant::now();
        let cause = Docker::open_at(&host, resolve("docker"), &environment(&cache)).await.err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{host} took {:?}", begun.elapsed());
        let Some(Cause::Unavailable(reason)) = cause else { panic!("{host}: {cause:?}") };
        assert!(reason.contains(&host) && reason.contains("DOCKER_HOST"), "{reason}");
    }
}

#[tokio::test]
async fn a_runtime_or_processors_that_the_engine_lacks_are_reported_when_it_is_opened() {
    if Lab::open("docker").await.is_none() {
        return;
    }
    let (_folder, cache) = cache_folder();
    for (spec, word) in [("docker:runtime=absent", "runc"), ("docker:cpus=1024", "processors")] {
        let cause = Docker::open(resolve(spec), &environment(&cache)).await.err();
        let Some(Cause::Unavailable(reason)) = cause else { panic!("{spec}: {cause:?}") };
        assert!(reason.contains(word), "{reason}");
    }
}

#[tokio::test]
async fn an_image_is_found_only_through_the_cache_that_knows_it() {
    let (Some(first), Some(second)) = (Lab::open("docker").await, Lab::open("docker").await) else { return };
    let hello = function("hello");
    let mut cached = Vec::new();
    for lab in [&first, &first, &second] {
        let prepared = lab.docker.prepare(&hello, Variant::Rust, &mut Laps::begin()).await.unwrap();
        assert!(prepared.artifact().bytes > 100_000);
        cached.push(prepared.artifact().cached);
    }
    assert_eq!(cached, [false, true, false]);
}

#[tokio::test]
async fn a_server_for_this_processor_has_an_image_of_its_own() {
    let mut digests = Vec::new();
    for spec in ["docker", "docker:target=native"] {
        let Some(lab) = Lab::open(spec).await else { return };
        let json = function("json");
        let prepared = lab.docker.prepare(&json, Variant::Rust, &mut Laps::begin()).await.unwrap();
        digests.push(prepared.artifact().source_digest.clone());
        let instance = start(&*prepared).await.unwrap();
        for case in json.cases() {
            let response = instance.invoke(case.request.clone(), &mut Laps::begin()).await.unwrap();
            case.check(&response).unwrap_or_else(|difference| panic!("{spec} {}: {difference}", case.name));
        }
        stop(instance).await;
    }
    assert_ne!(digests[0], digests[1]);
}

#[tokio::test]
async fn without_v8_in_this_binary_its_server_is_refused_with_advice() {
    let Some(lab) = Lab::open("docker:javascript=v8").await else { return };
    assert_eq!(lab.docker.supports(&function("hello"), Variant::Rust), Ok(()));
    let reason = lab.docker.supports(&function("hello"), Variant::Js).unwrap_err();
    assert!(reason.contains("--features v8"), "{reason}");
}

#[tokio::test]
async fn cases_are_answered_in_every_network() {
    for network in ["bridge", "none"] {
        let Some(lab) = Lab::open(&format!("docker:network={network}")).await else { return };
        let hello = function("hello");
        for variant in [Variant::Rust, Variant::Js] {
            let instance = lab.start(&hello, variant).await.unwrap();
            for case in hello.cases() {
                let response = instance.invoke(case.request.clone(), &mut Laps::begin()).await.unwrap();
                case.check(&response)
                    .unwrap_or_else(|difference| panic!("{network} {}: {difference}", case.name));
            }
            stop(instance).await;
        }
        assert_eq!(lab.containers().await.len(), 0, "network {network} needs no holder");
    }
}

#[tokio::test]
async fn an_instance_reports_its_control_groups_and_its_shim() {
    let Some(lab) = Lab::open("docker").await else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    let outside = instance.outside();
    assert_eq!(outside.helpers.len(), 1);
    let has = |file: &str| outside.cgroups.iter().any(|folder| folder.join(file).is_file());
    assert!(has("memory.usage_in_bytes") || has("memory.current"), "{outside:?}");
    assert!(has("cpuacct.usage") || has("cpu.stat"), "{outside:?}");
    let limits = ["memory.limit_in_bytes", "memory.max"];
    let mut paths = outside.cgroups.iter().flat_map(|folder| limits.map(|limit| folder.join(limit)));
    let limit = paths.find_map(|path| std::fs::read_to_string(path).ok()).unwrap();
    assert_eq!(limit.trim().parse(), Ok(function("hello").limits().memory_bytes));
    stop(instance).await;
    assert!(outside.cgroups.iter().all(|folder| !folder.exists()));
}

#[tokio::test]
async fn instances_share_a_control_group_of_the_run_and_nothing_else_is_in_it() {
    let Some(lab) = Lab::open("docker").await else { return };
    let prepared = lab.docker.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    let (first, second) = (start(&*prepared).await.unwrap(), start(&*prepared).await.unwrap());
    let (outside, other) = (first.outside(), second.outside());
    assert_eq!(outside.around, other.around);
    assert_eq!(outside.around.len(), outside.cgroups.len(), "{outside:?}");
    for around in &outside.around {
        let below: Vec<_> = std::fs::read_dir(around).unwrap().map(|entry| entry.unwrap().path()).collect();
        let below: Vec<_> = below.into_iter().filter(|path| path.is_dir()).collect();
        assert_eq!(below.len(), 2, "the holder is not an instance: {below:?}");
        assert!(
            below.iter().all(|folder| outside.cgroups.contains(folder) || other.cgroups.contains(folder))
        );
        assert_eq!(std::fs::read_to_string(around.join("cgroup.procs")).unwrap(), "");
    }
    stop(first).await;
    stop(second).await;
    drop(prepared);
    lab.docker.close().await.unwrap();
    // A group that this process may not remove is not the run's alone.
    if outside.around.iter().all(|around| around.ends_with(&lab.run_id)) {
        assert!(outside.around.iter().all(|around| !around.exists()), "{:?}", outside.around);
    }
}

#[tokio::test]
async fn an_instance_stays_on_the_processor_that_it_is_given() {
    if Lab::open("docker").await.is_none() {
        return;
    }
    let (_folder, cache) = cache_folder();
    let environment = isolab_core::Environment { guest_cpu: Some(0), ..environment(&cache) };
    let docker = Docker::open(resolve("docker"), &environment).await.unwrap();
    let prepared = docker.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    let instance = start(&*prepared).await.unwrap();
    let processes = std::fs::read_to_string(instance.outside().cgroups[0].join("cgroup.procs")).unwrap();
    let processes: Vec<_> = processes.lines().map(str::to_owned).collect();
    let allowed = |process: &String| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    };
    let allowed: Vec<_> = processes.iter().map(allowed).collect();
    stop(instance).await;
    drop(prepared);
    docker.close().await.unwrap();
    assert_eq!(allowed, vec!["0"; processes.len()]);
    assert!(!processes.is_empty());
}

#[tokio::test]
async fn the_sweep_of_a_run_removes_leaked_instances() {
    let Some(lab) = Lab::open("docker").await else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    std::mem::forget(instance);
    let prepared = lab.docker.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    assert!(!lab.containers().await.is_empty());
    assert!(isolab_docker::sweep(&lab.run_id).await.unwrap() >= 2);
    assert_eq!(lab.containers().await, Vec::<String>::new());
    // Without the holder there is no namespace: that is an error and does not hang.
    let error = start(&*prepared).await.err().unwrap();
    assert!(matches!(error.cause, Cause::Internal(_)), "{error}");
    // The leaked instance keeps the session, and so its folder.
    lab.docker.close().await.unwrap();
}

#[tokio::test]
async fn closing_an_executor_removes_its_holders() {
    let Some(lab) = Lab::open("docker").await else { return };
    let prepared = lab.docker.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    assert_eq!(lab.containers().await.len(), 1);
    lab.docker.close().await.unwrap();
    assert_eq!(lab.containers().await.len(), 0);
    drop(prepared);
}

/// Not a test, but the process of [`Leaker`].
#[tokio::test]
#[ignore = "other tests run it as a process"]
async fn leaks_until_it_is_killed() {
    let Some(lab) = Lab::open("docker").await else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    println!("\nrun={}", lab.run_id);
    std::future::pending::<()>().await;
    stop(instance).await;
}

/// How many sessions' folders a process has made that still exist.
fn session_folders(process: u32) -> usize {
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("isolab-") && name.contains(&format!("-{process}-"))).count()
}

/// Another process with an instance, in a run of its own.
struct Leaker {
    process: Child,
    run_id: String,
}

impl Leaker {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lifecycle::leaks_until_it_is_killed", "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let run_id = lines.find_map(|line| line.strip_prefix("run=").map(str::to_owned));
        Self { process, run_id: run_id.unwrap_or_default() }
    }

    /// How many containers and folders it has.
    async fn left(&self) -> (usize, usize) {
        (containers(&self.run_id).await.len(), session_folders(self.process.id()))
    }

    /// Kills it, and waits until it has ended; it stays listed as a zombie.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        let id = Id::Pid(Pid::from_raw(self.process.id().cast_signed()));
        waitid(id, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    }
}

#[tokio::test]
async fn the_next_executor_removes_the_leftovers_of_a_killed_process() {
    if Lab::open("docker").await.is_none() {
        return;
    }
    let mut leaker = Leaker::start();
    // Counted before the kill: after it, any other test may sweep.
    assert_eq!(leaker.left().await, (2, 1), "of run `{}`", leaker.run_id);
    leaker.kill();
    leaker.process.wait().unwrap();
    let lab = Lab::open("docker").await.unwrap();
    assert_eq!(leaker.left().await, (0, 0));
    drop(lab);
}

#[tokio::test]
async fn the_sweep_of_a_run_removes_the_leftovers_of_its_killed_processes() {
    if Lab::open("docker").await.is_none() {
        return;
    }
    let mut leaker = Leaker::start();
    assert_eq!(leaker.left().await, (2, 1), "of run `{}`", leaker.run_id);
    leaker.kill();
    // Its parent sweeps before it has waited for the process.
    isolab_docker::sweep(&leaker.run_id).await.unwrap();
    let left = leaker.left().await;
    leaker.process.wait().unwrap();
    assert_eq!(left, (0, 0));
}

#[tokio::test]
async fn an_instance_that_is_dropped_is_removed_in_the_background() {
    let Some(lab) = Lab::open("docker:network=none").await else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    assert_eq!(get(&*instance, "/").await.unwrap().body(), r#"{"message":"Hello World"}"#);
    drop(instance);
    let gone = async {
        while !lab.containers().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is removed");
}
