//! Bodies that flow through the V8 server, several at a time.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use isolab_core::conformance::{self, Invocation, streamed};
use isolab_core::streams::{Broken, Pieces};
use isolab_core::{Cause, Function, Library};
use tokio::sync::mpsc;

use super::{Lab, stop, text};

/// The functions that wait, stream or send requests.
fn functions() -> Vec<Function> {
    let all = conformance::library().unwrap();
    ["stream", "upload", "proxy", "fanout", "wait"].map(|name| all.get(name).unwrap().clone()).into()
}

#[tokio::test]
async fn functions_that_wait_stream_or_send_requests_pass_their_cases() {
    for spec in [
        "docker:javascript=v8,concurrency=8",
        "docker:javascript=v8,network=none",
        "process:javascript=v8,concurrency=8",
    ] {
        let Some(lab) = Lab::open(spec).await else { return };
        let mut library = Library::default();
        for function in functions() {
            library.insert(function);
        }
        lab.passes(&library).await;
    }
}

#[tokio::test]
async fn one_isolate_answers_all_cases_at_once() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=32").await else { return };
    for function in functions() {
        let instance = lab.start(&function).await.unwrap();
        let answers = function.cases().iter().map(|case| streamed::ask(&*instance, case.request.clone()));
        for (case, answer) in function.cases().iter().zip(join_all(answers).await) {
            let checked = case.check(&answer.unwrap());
            assert_eq!(checked, Ok(()), "{} case {}", function.name(), case.name);
        }
        stop(instance).await;
    }
    lab.close().await;
}

const FLOWS: &str = r#"
let [made, ticks] = [0, 0];
const encoder = new TextEncoder();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const from = (pull) => new Response(new ReadableStream({ pull }));
const paths = {
  "/echo": (request) => new Response(request.body),
  "/first": async (request) => new Response((await request.body.getReader().read()).value),
  "/early": () => new Response("no more", { status: 413 }),
  "/head-first": () => from(() => sleep(100_000)),
  "/stuck": () => from(() => new Promise(() => {})),
  "/midway": () => { let begun = false; return from(async (controller) => {
    // The server sends what it has before it learns of the break.
    await sleep(begun ? 50 : 1);
    if (begun) throw new RangeError("midway");
    begun = true;
    controller.enqueue(encoder.encode("begun"));
  }); },
  "/endless": () => from((controller) => { made++; controller.enqueue(new Uint8Array(16384)); }),
  "/made": () => new Response(String(made)),
  "/spin": () => { let begun = false; return from(async (controller) => {
    if (begun) await sleep(1);
    while (begun);
    begun = true;
    controller.enqueue(encoder.encode("begun"));
  }); },
  "/swells": () => { let begun = false; return from(async (controller) => {
    const kept = [];
    if (begun) await sleep(1);
    while (begun) kept.push(new Array(1000).fill(ticks++));
    begun = true;
    controller.enqueue(encoder.encode("begun"));
  }); },
  "/ticks": () => from(async (controller) => { await sleep(1); ticks++; controller.enqueue(encoder.encode(".")); }),
  "/rests": async () => { const before = ticks; await sleep(50); return new Response(String(before === ticks)); },
};
export default { fetch(request) { return paths[new URL(request.url).pathname](request); } };
"#;

const LONG: &str = "[limits]\nresponse_bytes = 1099511627776\n";

fn pieces(mut receiver: mpsc::Receiver<Result<Bytes, Broken>>) -> Pieces {
    futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

#[tokio::test]
async fn bodies_flow_both_ways_at_once() {
    for spec in ["docker:javascript=v8,network=none", "docker:javascript=v8,network=bridge"] {
        let Some(lab) = Lab::open(spec).await else { return };
        let instance = lab.start(&lab.handler("flows", "", FLOWS)).await.unwrap();
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
        // An answer may end before its request does.
        for (path, body) in [("/early", "no more"), ("/first", "first")] {
            let (_sender, receiver) = mpsc::channel(1);
            let early = Invocation::begin(&*instance, path, "first", Some(pieces(receiver)));
            assert_eq!(early.whole().await.unwrap().body(), body);
        }
        assert_eq!(text(&*instance, "/made").await.as_deref(), Ok("0"));
        stop(instance).await;
        lab.close().await;
    }
}

#[tokio::test]
async fn several_answers_flow_at_the_same_time() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=8").await else { return };
    let instance = lab.start(&lab.handler("flows-together", "", FLOWS)).await.unwrap();
    let mut flowing = Vec::new();
    for _ in 0..8 {
        let mut ticks = Invocation::begin(&*instance, "/ticks", "", None);
        let mut begun = ticks.begun().await;
        ticks.piece(&mut begun).await;
        flowing.push((ticks, begun));
    }
    for (ticks, begun) in &mut flowing {
        assert!(ticks.piece(begun).await.iter().all(|byte| *byte == b'.'));
    }
    drop(flowing);
    stop(instance).await;
    lab.close().await;
}

/// How many bytes may lie between a handler that never pauses and a client that reads nothing: two
/// buffers of a socket, those of the HTTP server, and the pieces on the way.
const BETWEEN_BYTES: u64 = 8 << 20;

#[tokio::test]
async fn a_slow_reader_holds_up_the_handler_and_nobody_else() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=4").await else { return };
    let instance = lab.start(&lab.handler("flows-far", LONG, FLOWS)).await.unwrap();
    let mut endless = Invocation::begin(&*instance, "/endless", "", None);
    let mut begun = endless.begun().await;
    endless.piece(&mut begun).await;
    let made = Cell::new(0);
    let held_up = async {
        let mut equal = 0;
        while equal < 3 {
            let now: u64 = text(&*instance, "/made").await.unwrap().parse().unwrap();
            assert!(now * 16384 < BETWEEN_BYTES, "{now} pieces");
            equal = if made.replace(now) == now { equal + 1 } else { 0 };
        }
    };
    endless.beside(held_up).await;
    // It goes on with the reader.
    let mut left = BETWEEN_BYTES;
    while left > 0 {
        left = left.saturating_sub(endless.piece(&mut begun).await.len() as u64);
    }
    drop((endless, begun));
    stop(instance).await;
    lab.close().await;
}

#[tokio::test]
async fn a_request_whose_client_leaves_or_breaks_its_body_off_ends_alone() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=4").await else { return };
    let instance = lab.start(&lab.handler("flows-away", "", FLOWS)).await.unwrap();
    let mut ticks = Invocation::begin(&*instance, "/ticks", "", None);
    let mut begun = ticks.begun().await;
    ticks.piece(&mut begun).await;
    assert_eq!(ticks.beside(text(&*instance, "/rests")).await.as_deref(), Ok("false"));
    drop((ticks, begun));
    while text(&*instance, "/rests").await.unwrap() != "true" {}
    let (sender, receiver) = mpsc::channel(1);
    sender.send(Err(Broken("the client left".into()))).await.unwrap();
    let broken = Invocation::begin(&*instance, "/echo", "", Some(pieces(receiver))).whole().await;
    let error = broken.unwrap_err();
    assert!(error.spares_instance && error.to_string().contains("the client left"), "{error}");
    assert_eq!(text(&*instance, "/made").await.as_deref(), Ok("0"));
    stop(instance).await;
    lab.close().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_spares_the_others() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=4").await else { return };
    let instance = lab.start(&lab.handler("flows-broken", "", FLOWS)).await.unwrap();
    let mut breaks = Invocation::begin(&*instance, "/midway", "", None);
    let mut begun = breaks.begun().await;
    let (ended, bytes) = breaks.end(&mut begun).await;
    assert!(ended.unwrap_err().to_string().contains("broken off"));
    assert_eq!(bytes, b"begun");
    let stuck = Invocation::begin(&*instance, "/stuck", "", None).whole().await.unwrap_err();
    assert!(stuck.spares_instance && stuck.to_string().contains("never settles"), "{stuck}");
    assert_eq!(text(&*instance, "/made").await.as_deref(), Ok("0"));
    stop(instance).await;
    lab.close().await;
}

/// The isolate of an answer that has begun is stopped: the container ends, so that no request goes to it.
#[tokio::test]
async fn an_isolate_that_is_stopped_within_an_answer_ends_its_container() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=4").await else { return };
    let toml = "[limits]\nmemory_bytes = 67108864\n";
    let instance = lab.start(&lab.handler("flows-swells", toml, FLOWS)).await.unwrap();
    let mut ticks = Invocation::begin(&*instance, "/ticks", "", None);
    let mut beside = ticks.begun().await;
    let mut swells = Invocation::begin(&*instance, "/swells", "", None);
    let mut begun = swells.begun().await;
    let (swollen, ticked) = tokio::join!(swells.end(&mut begun), ticks.end(&mut beside));
    for cause in [swollen.0.unwrap_err(), ticked.0.unwrap_err()] {
        let is_told = matches!(cause, Cause::OutOfMemory(_)) || cause.to_string().contains("memory limit");
        assert!(is_told, "{cause}");
    }
    stop(instance).await;
    lab.close().await;
}

#[tokio::test]
async fn the_limit_of_an_answer_counts_while_it_flows() {
    let Some(lab) = Lab::open("docker:javascript=v8").await else { return };
    let toml = "[limits]\nresponse_bytes = 1000000\n";
    let instance = lab.start(&lab.handler("flows-too-far", toml, FLOWS)).await.unwrap();
    let mut endless = Invocation::begin(&*instance, "/endless", "", None);
    let mut begun = endless.begun().await;
    let (ended, bytes) = endless.end(&mut begun).await;
    assert_eq!(ended.unwrap_err(), Cause::ResponseTooLarge(1_000_000));
    assert!(bytes.len() <= 1_000_000, "{} bytes were passed on", bytes.len());
    stop(instance).await;
    lab.close().await;
}

#[tokio::test]
async fn the_deadline_counts_until_the_last_piece() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=4").await else { return };
    let function = lab.handler("flows-briefly", "[limits]\ndeadline_ms = 700\n", FLOWS);
    for path in ["/head-first", "/spin"] {
        let instance = lab.start(&function).await.unwrap();
        let mut late = Invocation::begin(&*instance, path, "", None);
        let mut begun = late.begun().await;
        let (ended, _) = late.end(&mut begun).await;
        assert_eq!(ended.unwrap_err(), Cause::DeadlineExceeded(Duration::from_millis(700)), "{path}");
        stop(instance).await;
    }
    lab.close().await;
}

/// `proxy` passes it to the host and back.
#[tokio::test]
async fn a_body_beyond_the_containers_memory_passes_through_both_ways() {
    const PIECES: usize = 4096;
    let Some(lab) = Lab::open("docker:javascript=v8").await else { return };
    let function = functions().into_iter().find(|function| function.name() == "proxy").unwrap();
    let bytes = function.limits().memory_bytes as usize / PIECES * 2;
    let instance = lab.start(&function).await.unwrap();
    let piece = Bytes::from(vec![7; bytes]);
    let body = futures_util::stream::iter((0..PIECES).map(move |_| Ok(piece.clone()))).boxed();
    let mut proxied = Invocation::begin(&*instance, "/", "", Some(body));
    let mut begun = proxied.begun().await;
    let mut left = PIECES * bytes;
    while left > 0 {
        left -= proxied.piece(&mut begun).await.len();
    }
    assert_eq!(proxied.end(&mut begun).await, (Ok(()), Vec::new()));
    stop(instance).await;
    lab.close().await;
}
