//! The lines that `confine` draws, tried from within.

use std::net::TcpListener;
use std::path::Path;

use isolab_core::{Executor as _, Instance, Variant};

use crate::support::{Lab, function, get_text, stop, until_gone};

/// The attempts of the function `attempts`, in the order of the columns in the front page of this crate.
const ATTEMPTS: [&str; 6] =
    ["read_file", "write_file", "connect", "see_process", "signal", "start_processes"];

/// Whether each of [`ATTEMPTS`] succeeded, by the answer of the guest.
async fn tried(settings: &str, variant: Variant) -> [bool; 6] {
    let lab = Lab::open(&format!("process:{settings}"));
    let function = function("instruments/attempts");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let neighbour = lab.start(&function, variant).await.unwrap();
    let instance = lab.start(&function, variant).await.unwrap();
    let file = format!("isolab-tried-{}-{settings}-{variant}", std::process::id());
    let file = std::env::temp_dir().join(file);
    let id = neighbour_id(&*neighbour);
    let query = format!(
        "mark=600.5&read=/etc/hostname&port={port}&neighbour={id}&processes=100&write={}",
        file.display()
    );
    let answer = get_text(&*instance, &format!("/?{query}")).await.unwrap();
    assert_eq!(get_text(&*instance, "/?end").await.unwrap(), "");
    stop(instance).await;
    stop(neighbour).await;
    let is_written = std::fs::remove_file(&file).is_ok();
    let has_succeeded = |attempt: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(attempt));
        line.expect("a line for each attempt").starts_with(" yes")
    };
    assert_eq!(is_written, has_succeeded("write_file"), "{answer}");
    ATTEMPTS.map(has_succeeded)
}

/// The server of an instance. Its control group names it if it has one of its own.
fn neighbour_id(instance: &dyn Instance) -> u32 {
    let outside = instance.outside();
    let of_group = outside.cgroups.first().map(|folder| members(folder)[0]);
    of_group.unwrap_or_else(|| *outside.helpers.last().unwrap())
}

fn members(group: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn each_line_confines_what_the_documentation_says() {
    for (confine, expected) in [
        ("none", [true, true, true, true, true, true]),
        ("landlock", [false, false, false, false, false, true]),
        ("seccomp", [true, false, false, true, false, false]),
        ("bubblewrap", [false, false, false, false, false, true]),
        ("cgroup", [true, true, true, true, true, false]),
    ] {
        for variant in [Variant::Rust, Variant::Js] {
            let tried = tried(&format!("confine={confine}"), variant).await;
            assert_eq!(tried, expected, "{confine} {variant}");
        }
    }
}

/// Its neighbours descend from the same zygote, and are behind lines of their own.
#[tokio::test]
async fn a_forked_server_is_confined_as_others_are() {
    for (confine, expected) in [
        ("none", [true, true, true, true, true, true]),
        ("landlock", [false, false, false, false, false, true]),
        ("cgroup", [true, true, true, true, true, false]),
    ] {
        let tried = tried(&format!("spawn=fork,confine={confine}"), Variant::Rust).await;
        assert_eq!(tried, expected, "{confine}");
    }
}

/// It has left the process group, and its parent is gone.
#[tokio::test]
async fn a_control_group_and_a_namespace_take_every_process_along() {
    let code = r#"
        import { spawn } from "node:child_process";
        export default { async fetch() {
            const child = spawn("/usr/bin/sleep", ["7654"], { detached: true, stdio: "ignore" });
            await new Promise((resolve) => child.on("spawn", resolve));
            return new Response("ok");
        } };"#;
    for confine in ["bubblewrap", "cgroup"] {
        let lab = Lab::open(&format!("process:confine={confine}"));
        let instance = lab.start(&lab.handler("leaves", "", code), Variant::Js).await.unwrap();
        assert_eq!(get_text(&*instance, "/").await.unwrap(), "ok");
        let sleeper = sleeping(&*instance).expect("it sleeps");
        stop(instance).await;
        until_gone(sleeper).await;
    }
}

/// The process `sleep` below the server of an instance.
fn sleeping(instance: &dyn Instance) -> Option<u32> {
    let server = neighbour_id(instance);
    let threads = std::fs::read_dir(format!("/proc/{server}/task")).unwrap().flatten();
    let lists =
        threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>()).next()
}

#[tokio::test]
async fn nothing_stays_of_a_control_group() {
    let lab = Lab::open("process:confine=cgroup");
    let function = lab.handler("idle", "", "export default { fetch() { return new Response(); } };");
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let outside = instance.outside();
    assert!(!outside.cgroups.is_empty() && outside.helpers.is_empty(), "{outside:?}");
    assert_eq!(outside.around.len(), outside.cgroups.len());
    assert!(outside.cgroups.iter().all(|group| members(group).len() == 1), "{outside:?}");
    stop(instance).await;
    assert!(outside.cgroups.iter().all(|group| !group.exists()));
    lab.process.close().await.unwrap();
    drop(lab);
    assert!(outside.around.iter().all(|group| !group.exists()), "{outside:?}");
}
