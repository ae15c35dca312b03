//! Guests that try to get out of their container through what the host does.

use std::net::SocketAddr;

use crate::support::{Door, Lab, PATIENCE, get, start, stop};
use isolab_core::{Cause, Executor, Laps, Variant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Puts a link to the engine's socket where its own socket was, and has its connection
/// closed, so that the host needs another one for the next request.
const RELINKS: &str = r#"
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { ServerResponse } from "node:http";
const { end } = ServerResponse.prototype;
ServerResponse.prototype.end = function (...body) { this.shouldKeepAlive = false; return end.apply(this, body); };
const socket = process.env.ISOLAB_SOCKET;
const attempts = [
  () => rmSync(socket),
  () => renameSync(socket, `${socket}.old`),
  () => symlinkSync("/var/run/docker.sock", socket),
];
export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname !== "/attack") return new Response(`the function was asked for ${pathname}`);
  return new Response(attempts.map((attempt) => {
    try { attempt(); return "done"; } catch (error) { return error.code; }
  }).join(" "));
} };
"#;

/// The escape of a guest to the engine's API, as it was once possible.
#[tokio::test]
async fn a_link_to_the_engines_socket_leads_the_front_door_nowhere() {
    let Some(mut lab) = Lab::open("docker").await else { return };
    let function = lab.handler("relinks", "", RELINKS);
    let door = Door::open(&lab, function).await;
    let address = door.address;
    let attack = ask(address, "/relinks/attack").await;
    let answers = [
        ask(address, "/relinks/containers/json").await,
        ask(address, "/relinks/version").await,
        ask(address, "/relinks/attack").await,
    ];
    door.close().await;
    assert_eq!(attack, "EROFS EROFS EEXIST");
    let expected = ["/containers/json", "/version"].map(|path| format!("the function was asked for {path}"));
    assert_eq!(answers[..2], expected);
    assert_eq!(answers[2], attack);
}

/// The body of the answer to a GET on a connection of its own.
async fn ask(address: SocketAddr, target: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, body)| body.to_owned())
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

const LOOKS_AROUND: &str = r#"
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
function canWrite(path) { try { writeFileSync(path, "x"); return true; } catch { return false; } }
const writable = /^\S+ \S+ \S+ \S+ (\S+) rw/gm;
export default { fetch() {
  const status = readFileSync("/proc/self/status", "utf8");
  const field = (name) => status.match(new RegExp(`${name}:\\s*(\\S+)`))[1];
  const mounts = [...readFileSync("/proc/self/mountinfo", "utf8").matchAll(writable)].map(([, point]) => point);
  // What a user without capabilities could still write: folders of its own, or of everybody.
  const mine = mounts.filter((point) => {
    const { uid, mode } = statSync(point);
    return !point.startsWith("/proc") && (uid === process.getuid() || (mode & 0o002) !== 0);
  });
  return new Response([
    process.getuid() !== 0, canWrite("/tmp"), canWrite("/x"), canWrite("/function/x"),
    field("CapEff"), field("CapBnd"), field("NoNewPrivs"), field("Seccomp"),
    Object.keys(networkInterfaces()).join(), mine.filter((point) => canWrite(`${point}/x`)).join() || "nowhere",
  ].join(" "));
} };
"#;

#[tokio::test]
async fn a_container_is_confined() {
    let Some(mut lab) = Lab::open("docker").await else { return };
    let function = lab.handler("looks-around", "", LOOKS_AROUND);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let seen = get(&*instance, "/").await.unwrap();
    stop(instance).await;
    assert_eq!(seen.body(), "true false false false 0000000000000000 0000000000000000 1 2 lo nowhere");
}

/// Connects in the place of its server, and closes each connection.
const CLOSES: &str = r#"
import { connect } from "node:net";
for (;;) {
  await new Promise((resolve) => {
    const socket = connect(process.env.ISOLAB_SOCKET, () => socket.destroy());
    socket.on("error", () => {}).once("close", resolve);
  });
}
"#;

#[tokio::test]
async fn a_server_that_closes_each_connection_is_given_up_on() {
    let Some(mut lab) = Lab::open("docker:network=none").await else { return };
    let function = lab.handler("closes", "", CLOSES);
    let asked = async {
        // The host may take a connection before it is closed: then the request finds that out.
        let instance = match lab.start(&function, Variant::Js).await {
            Ok(instance) => instance,
            Err(error) => return error.cause,
        };
        let cause = get(&*instance, "/").await.unwrap_err();
        stop(instance).await;
        cause
    };
    let cause = tokio::time::timeout(PATIENCE, asked).await.expect("the host gives up");
    assert!(matches!(cause, Cause::InvalidResponse(_) | Cause::Trapped(_)), "{cause}");
}

/// Opens as many connections as it can beside that of its server, and says how many.
const CROWDS: &str = r#"
import { connect } from "node:net";
const sockets = [];
export default { async fetch() {
  const made = Array.from({ length: 1000 }, () => new Promise((resolve) => {
    const socket = connect(process.env.ISOLAB_SOCKET);
    sockets.push(socket);
    socket.once("connect", () => resolve(1)).once("error", () => resolve(0));
  }));
  return new Response(String((await Promise.all(made)).reduce((sum, one) => sum + one, 0)));
} };
"#;

#[tokio::test]
async fn a_crowd_of_connections_does_not_reach_the_host() {
    let Some(mut lab) = Lab::open("docker:network=none").await else { return };
    let function = lab.handler("crowds", "", CROWDS);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let open_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_files();
    let first = get(&*instance, "/").await.unwrap();
    let second = get(&*instance, "/").await.unwrap();
    assert!(open_files() <= before + 50, "the host took {} connections", open_files() - before);
    stop(instance).await;
    assert_eq!((&first.body()[..], &second.body()[..]), (b"2".as_slice(), b"0".as_slice()));
}

/// A container on the bridge is asked again only if it still has its address.
#[tokio::test]
async fn a_dead_container_on_the_bridge_is_not_asked_by_its_address() {
    let Some(mut lab) = Lab::open("docker:network=bridge").await else { return };
    let function = lab.handler(
        "exits",
        "",
        "export default { fetch() { setImmediate(() => process.exit(3)); return new Promise(() => {}); } };",
    );
    let prepared = lab.docker.prepare(&function, Variant::Js, &mut Laps::begin()).await.unwrap();
    let dead = start(&*prepared).await.unwrap();
    let first = get(&*dead, "/").await.unwrap_err();
    // The engine may give the free address to the next container.
    let next = start(&*prepared).await.unwrap();
    let second = get(&*dead, "/").await.unwrap_err();
    stop(dead).await;
    stop(next).await;
    for cause in [first, second] {
        assert!(matches!(&cause, Cause::Crashed(text) if text.contains("exit code 3")), "{cause}");
    }
}
