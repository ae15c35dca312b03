//! `spawn=fork`: the servers that a zygote forks, and what they share.

use std::fs;

use isolab_core::{Cause, Executor as _, Instance, Laps, Prepared, Variant};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Lab, function, get, get_text, is_running, stop, until_gone};

fn id(instance: &dyn Instance) -> u32 {
    instance.outside().helpers[0]
}

/// A field of `/proc/PID/status`.
fn status(process: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The other process with the same file.
fn zygote_of(server: u32) -> u32 {
    let file = |process: &u32| fs::read_link(format!("/proc/{process}/exe")).ok();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let processes = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| *process != server).find(|process| file(process) == file(&server)).unwrap()
}

async fn start(prepared: &dyn Prepared) -> Box<dyn Instance> {
    prepared.start(&mut Laps::begin()).await.unwrap()
}

/// The random number, the time and the address of two instances: those of the initialisation, and new ones.
async fn values(spec: &str) -> [[Vec<String>; 2]; 2] {
    let lab = Lab::open(spec);
    let prepared =
        lab.process.prepare(&function("instruments/initial"), Variant::Rust, &mut Laps::begin()).await;
    let prepared = prepared.unwrap();
    let instances = [start(&*prepared).await, start(&*prepared).await];
    let mut all = Vec::new();
    for path in ["/initial", "/new"] {
        let mut both = Vec::new();
        for instance in &instances {
            let text = get_text(&**instance, path).await.unwrap();
            both.push(text.split(' ').map(str::to_owned).collect());
        }
        all.push(both.try_into().unwrap());
    }
    for instance in instances {
        stop(instance).await;
    }
    all.try_into().unwrap()
}

#[tokio::test]
async fn forked_servers_share_what_the_zygote_has_made() {
    let [[random, time, address], [new_random, new_time, _]] =
        values("process:spawn=fork").await.map(|[one, other]| [0, 1, 2].map(|it| one[it] == other[it]));
    assert!(random && time && address, "the initialisation ran once");
    // The standard library has seeded itself before the fork.
    assert!(new_random, "the seeds are those of the zygote");
    assert!(!new_time);
    let [[random, time, address], [new_random, new_time, _]] =
        values("process:spawn=exec").await.map(|[one, other]| [0, 1, 2].map(|it| one[it] == other[it]));
    assert!(!random && !time && !address && !new_random && !new_time, "each has its own");
}

#[tokio::test]
async fn a_forked_server_is_a_child_of_the_host_and_is_confined_as_others_are() {
    let lab = Lab::open("process:spawn=fork");
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    let id = id(&*instance);
    assert_eq!(status(id, "PPid"), std::process::id().to_string());
    assert_eq!(status(id, "NoNewPrivs"), "1");
    if nix::unistd::geteuid().is_root() {
        assert_eq!(status(id, "Uid"), "65534 65534 65534 65534");
        assert_eq!(status(id, "CapEff"), "0000000000000000");
    }
    // The zygote's orders are not for the server.
    let stdin = fs::read_link(format!("/proc/{id}/fd/0")).unwrap();
    assert_eq!(stdin.to_str(), Some("/dev/null"));
    let group = nix::unistd::getpgid(Some(Pid::from_raw(id.cast_signed()))).unwrap();
    assert_eq!(group.as_raw().cast_unsigned(), id);
    stop(instance).await;
    assert!(!is_running(id));
}

/// A zombie would stay as long as the host.
#[tokio::test]
async fn nothing_stays_of_forked_servers_and_their_zygote() {
    let lab = Lab::open("process:spawn=fork");
    let prepared = lab.process.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    let (stopped, dropped) = (start(&*prepared).await, start(&*prepared).await);
    let ids = [id(&*stopped), id(&*dropped)];
    let zygote = zygote_of(ids[0]);
    stop(stopped).await;
    drop(dropped);
    for id in ids {
        assert!(!fs::exists(format!("/proc/{id}")).unwrap());
    }
    drop(prepared);
    until_gone(zygote).await;
}

#[tokio::test]
async fn a_zygote_that_was_killed_is_replaced_and_its_servers_go_on() {
    let lab = Lab::open("process:spawn=fork");
    let prepared = lab.process.prepare(&function("hello"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    let first = start(&*prepared).await;
    let zygote = zygote_of(id(&*first));
    kill(Pid::from_raw(zygote.cast_signed()), Signal::SIGKILL).unwrap();
    until_gone(zygote).await;
    let second = start(&*prepared).await;
    for instance in [first, second] {
        assert_eq!(get(&*instance, "/?myName=World").await.unwrap().status(), 200);
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_stack_that_overflows_ends_its_server_alone() {
    let lab = Lab::open("process:spawn=fork");
    let prepared =
        lab.process.prepare(&function("hostile/recurse"), Variant::Rust, &mut Laps::begin()).await.unwrap();
    let (first, second) = (start(&*prepared).await, start(&*prepared).await);
    assert!(matches!(get(&*first, "/").await.unwrap_err(), Cause::Crashed(_)));
    assert_eq!(get(&*second, "/?calm=1").await.unwrap().body(), "calm");
    stop(first).await;
    stop(second).await;
}

#[tokio::test]
async fn a_combination_that_makes_no_sense_is_refused() {
    for (confine, reason) in [("seccomp", "refuses every fork"), ("bubblewrap", "would share")] {
        let Err(Cause::Unavailable(refused)) =
            Lab::try_open(&format!("process:spawn=fork,confine={confine}"))
        else {
            panic!("{confine} was opened");
        };
        assert!(refused.contains(reason), "{refused}");
    }
    let lab = Lab::open("process:spawn=fork");
    let refused = lab.process.supports(&function("hello"), Variant::Js).unwrap_err();
    assert!(refused.contains("one thread"), "{refused}");
}
