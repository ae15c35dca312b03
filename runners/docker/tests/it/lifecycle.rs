//! From the engine that is not there to the container that is left behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Lab, cache_folder, containers, environment, function, get, resolve, start, stop};
use isolab_core::{Cause, Executor, Laps, Variant};
use isolab_docker::Docker;

#[tokio::test]
async fn an_engine_that_is_not_there_is_said_at_once() {
    let (folder, cache) = cache_folder();
    let silent = folder.path().join("silent");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    // A port that was free a moment ago: nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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
async fn what_the_engine_lacks_is_said_when_it_is_opened() {
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
async fn an_image_is_found_only_by_the_cache_that_knows_it() {
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
async fn cases_are_answered_through_every_network() {
    for network in ["bridge", "none"] {
        let Some(lab) = Lab::open(&format!("docker:network={network}")).await else { return };
        let hello = function("hello");
        for variant in [Variant::Rust, Variant::Js] {
            let mut instance = lab.start(&hello, variant).await.unwrap();
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
async fn an_instance_tells_its_control_groups_and_its_shim() {
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
async fn a_run_is_swept_with_what_it_leaked() {
    let Some(lab) = Lab::open("docker").await else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    std::mem::forget(instance);
    let prepared = lab.docker.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    assert!(!lab.containers().await.is_empty());
    assert!(isolab_docker::sweep(&lab.run_id).await.unwrap() >= 2);
    assert_eq!(lab.containers().await, Vec::<String>::new());
    // The namespace is gone with its holder, and that is an error, not a hang.
    let error = start(&*prepared).await.err().unwrap();
    assert!(matches!(error.cause, Cause::Internal(_)), "{error}");
    // The leaked instance would keep the folder of its socket.
    lab.docker.close().await.unwrap();
}

#[tokio::test]
async fn closing_removes_what_keeps_the_networks() {
    let Some(lab) = Lab::open("docker").await else { return };
    let prepared = lab.docker.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    assert_eq!(lab.containers().await.len(), 1);
    lab.docker.close().await.unwrap();
    assert_eq!(lab.containers().await.len(), 0);
    drop(prepared);
}

/// Not a test: what `a_killed_process_is_swept_after` runs as a process of its own.
#[tokio::test]
#[ignore = "the other half of a_killed_process_is_swept_after"]
async fn leaks_until_it_is_killed() {
    let Some(lab) = Lab::open("docker").await else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    println!("\nrun={}", lab.run_id);
    std::future::pending::<()>().await;
    stop(instance).await;
}

/// How many folders of sockets a process has, or has left behind.
fn session_folders(process: u32) -> usize {
    let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("isolab-") && name.contains(&format!("-{process}-"))).count()
}

#[tokio::test]
async fn a_killed_process_is_swept_after() {
    if Lab::open("docker").await.is_none() {
        return;
    }
    let mut leaker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::leaks_until_it_is_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(leaker.stdout.take().unwrap()).lines();
    let run_id = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("run=").map(str::to_owned));
    let run_id = run_id.unwrap_or_default();
    // Counted while it lives: from then on any other test may sweep.
    let made = (containers(&run_id).await.len(), session_folders(leaker.id()));
    leaker.kill().unwrap();
    leaker.wait().unwrap();
    assert_eq!(made, (2, 1), "of run `{run_id}`");
    // Any executor that is opened later cleans up, whatever its own run.
    let lab = Lab::open("docker").await.unwrap();
    assert_eq!((containers(&run_id).await.len(), session_folders(leaker.id())), (0, 0));
    drop(lab);
}

#[tokio::test]
async fn an_instance_that_is_dropped_is_removed_in_the_background() {
    let Some(lab) = Lab::open("docker:network=none").await else { return };
    let mut instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    assert_eq!(get(&mut *instance, "/").await.unwrap().body(), r#"{"message":"Hello World"}"#);
    drop(instance);
    let gone = async {
        while !lab.containers().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is removed");
}
