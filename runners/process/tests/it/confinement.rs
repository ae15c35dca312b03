//! The lines that `confine` draws, tried from within.

use std::net::TcpListener;
use std::path::Path;

use isolab_core::{Executor as _, Instance, Variant};

use crate::support::{Lab, get_text, stop, until_gone};

/// Answers whether it could do each thing, in the order of [`Tried`].
const TRIES: &str = r#"
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

const can = (what) => { try { what(); return true; } catch { return false; } };

function connects(port) {
    return new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.on("connect", () => { socket.destroy(); resolve(true); });
        socket.on("error", () => resolve(false));
    });
}

function starts() {
    return new Promise((resolve) => {
        const child = can(() => 0) && spawn("/usr/bin/sleep", ["1000"], { stdio: "ignore" });
        child.on("spawn", () => resolve(child));
        child.on("error", () => resolve(null));
    });
}

async function startsMany(wanted) {
    const started = [];
    while (started.length < wanted) {
        const child = await starts().catch(() => null);
        if (!child) break;
        started.push(child);
    }
    const isEnough = started.length === wanted;
    started.forEach((child) => child.kill("SIGKILL"));
    return isEnough;
}

export default {
    async fetch(request) {
        const query = new URL(request.url).searchParams;
        const file = query.get("file");
        return new Response([
            can(() => readFileSync("/etc/hostname")),
            can(() => { writeFileSync(file, "x"); rmSync(file); }),
            await connects(Number(query.get("port"))),
            can(() => process.kill(Number(query.get("neighbour")), "SIGKILL")),
            await startsMany(100),
        ].join(" "));
    },
};
"#;

/// Whether a function reads a file of the host, writes one, connects by TCP, signals its neighbour, starts 100 processes.
type Tried = [bool; 5];

async fn tried(confine: &str) -> Tried {
    let lab = Lab::open(&format!("process:confine={confine}"));
    let function = lab.handler("tries", "[limits]\ndeadline_ms = 30000", TRIES);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let neighbour = lab.start(&function, Variant::Js).await.unwrap();
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let file = std::env::temp_dir().join(format!("isolab-tried-{}-{confine}", std::process::id()));
    let id = neighbour_id(&*neighbour);
    let uri = format!("/?port={port}&neighbour={id}&file={}", file.display());
    let answer = get_text(&*instance, &uri).await;
    stop(instance).await;
    stop(neighbour).await;
    assert!(!file.exists());
    let answers: Vec<bool> = answer.unwrap().split(' ').map(|word| word.parse().unwrap()).collect();
    answers.try_into().unwrap()
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
        ("none", [true, true, true, true, true]),
        ("landlock", [false, false, false, false, true]),
        ("seccomp", [true, false, false, false, false]),
        ("bubblewrap", [false, false, false, false, true]),
        ("cgroup", [true, true, true, true, false]),
    ] {
        assert_eq!(tried(confine).await, expected, "{confine}");
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
