//! Bodies that flow through a container, both ways.

use std::cell::Cell;
use std::time::Duration;

use crate::support::{Door, Lab, PATIENCE, function, get, stop};
use bytes::Bytes;
use futures_util::StreamExt;
use isolab_core::conformance::Invocation;
use isolab_core::streams::{Broken, Pieces};
use isolab_core::{Cause, Instance, Variant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Both ways that requests reach a container.
const SPECS: [&str; 2] = ["docker:network=none", "docker:network=bridge"];

const FLOWS: &str = r#"
import { createHash } from "node:crypto";
let made = 0;
let cancelled = "no";
const encoder = new TextEncoder();
const paths = {
  // Each piece of the request is answered at once.
  "/echo": (request) => new Response(request.body),
  "/hash": async (request) => {
    const hash = createHash("sha256");
    for await (const piece of request.body) hash.update(piece);
    return new Response(hash.digest("hex"));
  },
  "/early": () => new Response("no more", { status: 413 }),
  "/method": (request) => new Response(String(request.body)),
  "/head-first": () => new Response(new ReadableStream({ pull: () => new Promise(() => {}) })),
  "/midway": () => new Response(new ReadableStream({ async pull(controller) {
    controller.enqueue(encoder.encode("begun"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    controller.error(new Error("midway"));
  } })),
  "/dies": () => new Response(new ReadableStream({ async pull(controller) {
    controller.enqueue(encoder.encode("begun"));
    setTimeout(() => process.exit(3), 50);
    await new Promise(() => {});
  } })),
  "/endless": () => new Response(new ReadableStream({
    async pull(controller) {
      made++;
      await new Promise((resolve) => setImmediate(resolve));
      controller.enqueue(new Uint8Array(16384));
    },
    cancel() { cancelled = "yes"; },
  })),
  "/made": () => new Response(String(made)),
  "/cancelled": () => new Response(cancelled),
};
export default { fetch(request) { return paths[new URL(request.url).pathname](request); } };
"#;

fn pieces(mut receiver: mpsc::Receiver<Result<Bytes, Broken>>) -> Pieces {
    futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

async fn text(instance: &dyn Instance, path: &'static str) -> String {
    String::from_utf8(get(instance, path).await.unwrap().body().to_vec()).unwrap()
}

#[tokio::test]
async fn bodies_flow_both_ways_at_once() {
    for spec in SPECS {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let function = lab.handler("flows", "", FLOWS);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let mut echo = Invocation::begin(&*instance, "/echo", "first", Some(pieces(receiver)));
        let mut begun = echo.begun().await;
        assert_eq!(echo.piece(&mut begun).await, "first");
        for piece in ["second", "third"] {
            sender.send(Ok(piece.into())).await.unwrap();
            assert_eq!(echo.piece(&mut begun).await, piece);
        }
        drop(sender);
        assert_eq!(echo.end(&mut begun).await, (Ok(()), Vec::new()));
        // The same connection carries a whole exchange, and the next stream.
        let whole = Invocation::begin(&*instance, "/cancelled", "", None).whole().await.unwrap();
        assert_eq!(whole.body(), "no");
        let mut head = Invocation::begin(&*instance, "/head-first", "", None);
        assert_eq!(head.begun().await.head.status(), 200);
        drop(head);
        stop(instance).await;
    }
}

/// Reads until `end` has arrived.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while !seen.ends_with(end.as_bytes()) {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the server has closed");
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("an answer arrives");
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn bodies_flow_through_the_front_door() {
    let Some(mut lab) = Lab::open("docker").await else { return };
    let function = lab.handler("flows-out", "", FLOWS);
    let door = Door::open(&lab, function).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let head = "POST /flows-out/echo HTTP/1.1\r\nhost: lab\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "5\r\nfirst\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    stream.write_all(b"6\r\nsecond\r\n").await.unwrap();
    assert_eq!(read_until(&mut stream, "second\r\n").await, "6\r\nsecond\r\n");
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut stream, "0\r\n\r\n").await, "0\r\n\r\n");
    door.close().await;
}

/// SHA-256 of 64 MiB of zeros, by `head -c 67108864 /dev/zero | sha256sum`.
const ZEROS: &str = "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351";

#[tokio::test]
async fn a_body_beyond_the_containers_memory_passes_through() {
    for spec in SPECS {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let toml = "[limits]\nmemory_bytes = 67108864\n";
        let function = lab.handler("flows-in-little", toml, FLOWS);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let zeros = Bytes::from(vec![0; 64 << 10]);
        let body = futures_util::stream::iter((0..1024).map(move |_| Ok(zeros.clone())));
        let hash = Invocation::begin(&*instance, "/hash", "", Some(body.boxed())).whole().await.unwrap();
        assert_eq!(hash.body(), ZEROS, "{spec}");
        stop(instance).await;
    }
}

#[tokio::test]
async fn an_answer_may_end_before_its_request() {
    for spec in SPECS {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let function = lab.handler("flows-early", "", FLOWS);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let (_sender, receiver) = mpsc::channel(1);
        let early =
            Invocation::begin(&*instance, "/early", "first", Some(pieces(receiver))).whole().await.unwrap();
        assert_eq!((early.status().as_u16(), &early.body()[..]), (413, b"no more".as_slice()));
        // The next request has another connection.
        assert_eq!(text(&*instance, "/cancelled").await, "no");
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_told_to_the_function() {
    let Some(mut lab) = Lab::open("docker:concurrency=2").await else { return };
    let toml = "[limits]\nresponse_bytes = 1099511627776\n";
    let function = lab.handler("flows-away", toml, FLOWS);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let mut endless = Invocation::begin(&*instance, "/endless", "", None);
    let mut begun = endless.begun().await;
    endless.piece(&mut begun).await;
    drop((endless, begun));
    let cancelled = async { while text(&*instance, "/cancelled").await != "yes" {} };
    tokio::time::timeout(PATIENCE, cancelled).await.expect("the function hears of it");
    // A body that breaks off is an error of the request, and the instance goes on.
    let (sender, receiver) = mpsc::channel(1);
    sender.send(Err(Broken("the client left".into()))).await.unwrap();
    let broken = Invocation::begin(&*instance, "/echo", "first", Some(pieces(receiver)));
    let error = broken.whole().await.err().unwrap();
    assert!(error.spares_instance && error.to_string().contains("the client left"), "{error}");
    assert_eq!(text(&*instance, "/cancelled").await, "yes");
    stop(instance).await;
}

/// How many bytes may lie between a handler that never pauses and a client that reads nothing:
/// two buffers of a socket, those of Node, and the pieces on the way.
const BETWEEN_BYTES: u64 = 8 << 20;

#[tokio::test]
async fn a_slow_client_holds_up_the_function() {
    for spec in ["docker:concurrency=2", "docker:concurrency=2,network=bridge"] {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let toml = "[limits]\nresponse_bytes = 1099511627776\n";
        let function = lab.handler("flows-far", toml, FLOWS);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let mut endless = Invocation::begin(&*instance, "/endless", "", None);
        let mut begun = endless.begun().await;
        endless.piece(&mut begun).await;
        // The invocation runs on while the function is asked how much it has made.
        let made = Cell::new(0);
        let held_up = async {
            loop {
                let now: u64 = text(&*instance, "/made").await.parse().unwrap();
                assert!(now * 16384 < BETWEEN_BYTES, "{spec}: {now} pieces");
                if made.replace(now) == now {
                    break;
                }
            }
        };
        endless.beside(held_up).await;
        drop(endless);
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_has_a_cause() {
    let Some(mut lab) = Lab::open("docker:network=none").await else { return };
    let function = lab.handler("flows-broken", "", FLOWS);
    for (path, word) in [("/midway", "broken off"), ("/dies", "exit code 3")] {
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let mut breaks = Invocation::begin(&*instance, path, "", None);
        let mut begun = breaks.begun().await;
        let (ended, bytes) = breaks.end(&mut begun).await;
        let cause = ended.unwrap_err();
        assert!(cause.to_string().contains(word), "{path}: {cause}");
        assert_eq!(bytes, b"begun", "{path}");
        stop(instance).await;
    }
}

#[tokio::test]
async fn the_deadline_counts_until_the_last_piece() {
    let Some(mut lab) = Lab::open("docker:network=none").await else { return };
    let function = lab.handler("flows-briefly", "[limits]\ndeadline_ms = 500\n", FLOWS);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let mut head = Invocation::begin(&*instance, "/head-first", "", None);
    let mut begun = head.begun().await;
    let (ended, _) = head.end(&mut begun).await;
    assert_eq!(ended.unwrap_err(), Cause::DeadlineExceeded(Duration::from_millis(500)));
    stop(instance).await;
}

/// A server of the guest's own in the place of Node's, which answers by the path.
const SPEAKS: &str = r#"
import { connect, createServer } from "node:net";
const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
async function endless(socket, piece) {
  while (!socket.destroyed) {
    if (socket.write(piece)) await new Promise((resolve) => setImmediate(resolve));
    else await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
  }
}
const paths = {
  "/head": (socket) => { socket.write("HTTP/1.1 200 OK\r\nx: "); return endless(socket, "x".repeat(65536)); },
  "/interim": (socket) => endless(socket, "HTTP/1.1 103 Early\r\n\r\n".repeat(1000)),
  "/body": (socket) => { socket.write(chunked); return endless(socket, "10000\r\n" + "x".repeat(65536) + "\r\n"); },
  "/line": (socket) => { socket.write(chunked + "1;"); return endless(socket, "x".repeat(65536)); },
  "/bad": (socket) => socket.write(chunked + "3\r\nabcde\r\n"),
  "/closes": (socket) => socket.end(chunked + "3\r\nab"),
  "/nothing": (socket) => socket.pause(),
};
function serve(socket) {
  socket.on("error", () => {});
  socket.once("data", (data) => paths[String(data).split(" ")[1]](socket));
}
const { ISOLAB_SOCKET, PORT } = process.env;
setInterval(() => {}, 1000); // keeps the process beside a socket that it does not read
if (PORT) createServer(serve).listen(Number(PORT));
else for (;;) {
  const socket = connect(ISOLAB_SOCKET);
  serve(socket);
  await new Promise((resolve) => socket.once("close", resolve));
}
await new Promise(() => {});
"#;

type IsExpected = fn(&Cause) -> bool;

#[tokio::test]
async fn a_hostile_server_gets_a_bounded_attributed_answer() {
    for spec in SPECS {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let toml = "[limits]\nresponse_bytes = 4194304\ndeadline_ms = 3000\n";
        let function = lab.handler("speaks", toml, SPEAKS);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let expected: [(&str, IsExpected); 7] = [
            ("/head", |cause| matches!(cause, Cause::InvalidResponse(_))),
            ("/interim", |cause| matches!(cause, Cause::InvalidResponse(_))),
            ("/body", |cause| *cause == Cause::ResponseTooLarge(4 << 20)),
            ("/line", |cause| matches!(cause, Cause::InvalidResponse(_))),
            ("/bad", |cause| matches!(cause, Cause::InvalidResponse(_))),
            ("/closes", |cause| matches!(cause, Cause::Trapped(_))),
            ("/nothing", |cause| matches!(cause, Cause::DeadlineExceeded(_))),
        ];
        for (path, is_expected) in expected {
            let zeros = Bytes::from(vec![0; 64 << 10]);
            let endless = futures_util::stream::repeat_with(move || Ok(zeros.clone())).boxed();
            let mut invocation = Invocation::begin(&*instance, path, "", Some(endless));
            let cause = match invocation.answer().await {
                Ok(mut begun) => invocation.end(&mut begun).await.0.unwrap_err(),
                Err(whole) => whole.unwrap_err().cause,
            };
            assert!(is_expected(&cause), "{spec}, {path}: {cause}");
        }
        stop(instance).await;
    }
}

/// The server opens a further connection for each request in flight, and one whose answer flows is.
#[tokio::test]
async fn several_answers_flow_at_the_same_time() {
    for spec in ["docker:concurrency=4", "docker:concurrency=4,network=bridge"] {
        let Some(lab) = Lab::open(spec).await else { return };
        let instance = lab.start(&function("stream"), Variant::Rust).await.unwrap();
        let mut flowing = Vec::new();
        for _ in 0..4 {
            let mut stream = Invocation::begin(&*instance, "/?chunks=2&interval_ms=10000", "", None);
            let mut begun = stream.begun().await;
            stream.piece(&mut begun).await;
            flowing.push((stream, begun));
        }
        drop(flowing);
        stop(instance).await;
    }
}
