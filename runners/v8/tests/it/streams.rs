//! Bodies that are streams.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, Method};
use isolab_core::streams::{Begun, Broken, Outlet, Pieces};
use isolab_core::{Cause, Error, Instance, Laps, Prepared, Request, Response, Streams};

use crate::support::{get, handler, invoke, open, prepare, start, stop};

/// Each path of this handler is one kind of request.
const SOURCE: &str = "
    let pulled = 0, cancelled = '';
    const encoder = new TextEncoder();
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const from = (pull, start) => new Response(new ReadableStream({ start, pull, cancel(reason) { cancelled = `${reason}`; } }));
    const pages = {
      echo(request) { return new Response(request.body, { headers: { 'x-a': '1' } }); },
      async text(request) { return new Response(await request.text()); },
      async length(request) {
        let length = 0;
        for await (const piece of request.body) length += piece.length;
        return new Response(`${length}`);
      },
      async first(request) {
        const { value } = await request.body.getReader().read();
        return new Response(value);
      },
      counted() {
        let count = 0;
        return from(async (controller) => {
          await sleep(1);
          controller.enqueue(encoder.encode(`${count},`));
          if (++count === 5) controller.close();
        });
      },
      empty() { return from((controller) => controller.close()); },
      endless() { return from((controller) => { pulled += 1; controller.enqueue(new Uint8Array(1 << 16)); }); },
      large() { let sent = false; return from((controller) => { if (sent) controller.close(); else { sent = true; controller.enqueue(new Uint8Array(4 << 20)); } }); },
      throwing() { return from(() => { throw new RangeError('dried up'); }); },
      later() { let count = 0; return from((controller) => { if (count++ === 2) throw new RangeError('dried up'); controller.enqueue(encoder.encode('a')); }); },
      strings() { return from((controller) => { controller.enqueue('text'); }); },
      stuck() { return from(() => new Promise(() => {})); },
      async state() { return Response.json([pulled, cancelled]); },
      spin() { return from(() => { for (;;); }); },
      through(request) { return new Response(request.body.pipeThrough(new TransformStream({ transform(piece, controller) { controller.enqueue(piece.map((byte) => byte ^ 1)); } }))); },
    };
    export default { async fetch(request) { return pages[new URL(request.url).pathname.slice(1)](request); } };";

struct Lab {
    _folder: tempfile::TempDir,
    prepared: Arc<dyn Prepared>,
    instance: Box<dyn Instance>,
}

async fn lab(limits: &str) -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let prepared =
        prepare(&open("v8", folder.path()), &handler(folder.path(), limits, SOURCE)).await.unwrap();
    let instance = start(&*prepared).await;
    Lab { _folder: folder, prepared, instance }
}

fn post(uri: &str, body: &'static str) -> Request {
    Request::new(Method::POST, uri.parse().unwrap(), HeaderMap::new(), body.into())
}

fn pieces(pieces: &'static [&'static str]) -> Pieces {
    stream::iter(pieces).map(|piece| Ok(Bytes::from(*piece))).boxed()
}

/// Asks with streams, and takes the whole answer.
async fn ask(
    lab: &Lab,
    request: Request,
    rest: Option<Pieces>,
) -> (Result<Option<Response>, Error>, Option<(http::Response<()>, Bytes)>) {
    let streams = Streams { rest, ..Streams::default() };
    let outlet = streams.outlet.clone();
    let mut laps = Laps::begin();
    let asking = lab.instance.stream(request, streams, &mut laps);
    let ended = Cell::new(false);
    let reading = async {
        let Begun { head, mut pieces } = begun(&outlet, &ended).await?;
        let mut body = Vec::new();
        while let Some(piece) = pieces.recv().await {
            body.extend_from_slice(&piece);
        }
        Some((head, body.into()))
    };
    let asking = async {
        let result = asking.await;
        ended.set(true);
        result
    };
    futures_util::future::join(asking, reading).await
}

/// Polls until the answer has begun; `None` if the invocation ends without that.
async fn begun(outlet: &Outlet, ended: &Cell<bool>) -> Option<Begun> {
    loop {
        if let Some(begun) = outlet.take() {
            return Some(begun);
        }
        if ended.get() {
            return None;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn pieces_of_a_request_arrive_and_pieces_of_the_answer_leave() {
    let lab = lab("").await;
    assert!(lab.prepared.streams());
    let (result, begun) = ask(&lab, post("/echo", "a"), Some(pieces(&["b", "c"]))).await;
    let (head, body) = begun.unwrap();
    assert!(matches!(result, Ok(None)));
    assert_eq!((head.headers()["x-a"].as_bytes(), &body[..]), (&b"1"[..], &b"abc"[..]));
    for (uri, expected) in [("/text", "abc"), ("/length", "3"), ("/first", "a")] {
        let (result, begun) = ask(&lab, post(uri, "a"), Some(pieces(&["b", "c"]))).await;
        assert!(begun.is_none());
        assert_eq!(result.unwrap().unwrap().body(), expected, "{uri}");
    }
    let (_, begun) = ask(&lab, post("/echo", ""), Some(pieces(&["", "b"]))).await;
    assert_eq!(begun.unwrap().1, "b");
    let (_, begun) = ask(&lab, post("/through", "`b"), Some(pieces(&["c"]))).await;
    assert_eq!(begun.unwrap().1, "acb");
    let (_, begun) = ask(&lab, get("/counted"), None).await;
    assert_eq!(begun.unwrap().1, "0,1,2,3,4,");
    let (result, begun) = ask(&lab, get("/empty"), None).await;
    assert!(matches!(result, Ok(None)) && begun.unwrap().1.is_empty());
    let (_, begun) = ask(&lab, get("/large"), None).await;
    assert_eq!(begun.unwrap().1.len(), 4 << 20);
    stop(lab.instance).await;
}

#[tokio::test]
async fn invoke_collects_the_answer() {
    let lab = lab("").await;
    for (request, expected) in [
        (post("/echo", "abc"), "abc"),
        (post("/length", "abc"), "3"),
        (get("/counted"), "0,1,2,3,4,"),
        (get("/empty"), ""),
    ] {
        let answer = invoke(&*lab.instance, request).await.unwrap();
        assert_eq!(answer.body(), expected);
    }
}

#[tokio::test]
async fn only_handlers_that_name_streams_have_them() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { async fetch() { return Response.json([globalThis['Readable' + 'Stream'], globalThis['fe' + 'tch']].map((value) => typeof value)) } }";
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    assert!(!prepared.streams());
    let answer = invoke(&*start(&*prepared).await, get("/")).await.unwrap();
    assert_eq!(answer.body(), r#"["undefined","undefined"]"#);
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_the_stream_up() {
    let lab = lab("").await;
    let streams = Streams::default();
    let outlet = streams.outlet.clone();
    let mut laps = Laps::begin();
    let mut asking = lab.instance.stream(get("/endless"), streams, &mut laps);
    for _ in 0..100 {
        assert!((&mut asking).now_or_never().is_none());
    }
    let state = invoke(&*lab.instance, get("/state")).await.unwrap();
    let (pulled, _): (u32, String) = serde_json::from_slice(state.body()).unwrap();
    assert!((1..=6).contains(&pulled), "{pulled}");
    // The client leaves.
    drop(outlet.take().unwrap());
    let error = asking.await.unwrap_err();
    assert!(error.to_string().contains("the client has left") && error.spares_instance, "{error}");
    let state = invoke(&*lab.instance, get("/state")).await.unwrap();
    let (_, cancelled): (u32, String) = serde_json::from_slice(state.body()).unwrap();
    assert_eq!(cancelled, "TypeError: the client has left");
}

#[tokio::test]
async fn an_answer_without_end_reaches_its_limit() {
    let lab = lab("response_bytes = 1048576").await;
    let (result, begun) = ask(&lab, get("/endless"), None).await;
    let error = result.unwrap_err();
    assert_eq!(error.cause, Cause::ResponseTooLarge(1 << 20));
    assert!(error.spares_instance && begun.unwrap().1.len() <= 1 << 20);
    let error = invoke(&*lab.instance, get("/endless")).await.unwrap_err();
    assert_eq!(error.cause, Cause::ResponseTooLarge(1 << 20));
}

#[tokio::test]
async fn a_stream_that_throws_fails_its_request_and_no_other() {
    let lab = lab("").await;
    for (uri, reason, sent) in [
        ("/throwing", "RangeError: dried up", ""),
        ("/later", "RangeError: dried up", "aa"),
        ("/strings", "a piece that is not a Uint8Array", ""),
        ("/stuck", "the handler's promise never settles", ""),
    ] {
        let (result, begun) = ask(&lab, get(uri), None).await;
        let error = result.unwrap_err();
        assert!(error.to_string().contains(reason) && error.spares_instance, "{uri}: {error}");
        assert_eq!(begun.unwrap().1, sent, "{uri}");
        assert!(invoke(&*lab.instance, get(uri)).await.unwrap_err().to_string().contains(reason));
    }
    assert!(invoke(&*lab.instance, get("/state")).await.is_ok());
}

#[tokio::test]
async fn a_request_whose_body_breaks_off_is_an_error_of_its_reader() {
    let lab = lab("").await;
    let broken = || -> Pieces {
        stream::iter([Ok(Bytes::from("b")), Err(Broken("the client broke off".into()))]).boxed()
    };
    let (result, _) = ask(&lab, post("/text", "a"), Some(broken())).await;
    let error = result.unwrap_err();
    assert!(
        error.to_string().contains("TypeError: the client broke off") && error.spares_instance,
        "{error}"
    );
    let (result, begun) = ask(&lab, post("/echo", "a"), Some(broken())).await;
    assert!(result.unwrap_err().to_string().contains("the client broke off"));
    assert_eq!(begun.unwrap().1, "ab");
}

#[tokio::test]
async fn a_stream_that_computes_without_end_is_stopped() {
    let lab = lab("deadline_ms = 1000").await;
    let (result, _) = ask(&lab, get("/spin"), None).await;
    let error = result.unwrap_err();
    assert!(matches!(error.cause, Cause::DeadlineExceeded(_)) && !error.spares_instance, "{error}");
}

#[tokio::test]
async fn a_body_larger_than_the_memory_limit_passes_through() {
    let lab = lab("memory_bytes = 33554432\nresponse_bytes = 4294967296\ndeadline_ms = 60000").await;
    let (size, count) = (1 << 16, 4096_u64);
    let rest =
        move || -> Pieces { stream::iter((0..count).map(move |_| Ok(Bytes::from(vec![7; size])))).boxed() };
    let (result, _) = ask(&lab, post("/length", ""), Some(rest())).await;
    assert_eq!(result.unwrap().unwrap().body(), &(size as u64 * count).to_string());
    let streams = Streams { rest: Some(rest()), ..Streams::default() };
    let outlet = streams.outlet.clone();
    let mut laps = Laps::begin();
    let asking = lab.instance.stream(post("/echo", ""), streams, &mut laps);
    let ended = Cell::new(false);
    let reading = async {
        let mut pieces = begun(&outlet, &ended).await.unwrap().pieces;
        let mut length = 0;
        while let Some(piece) = pieces.recv().await {
            length += piece.len() as u64;
        }
        length
    };
    let (result, length) = futures_util::future::join(asking, reading).await;
    assert!(result.unwrap().is_none());
    assert_eq!(length, size as u64 * count);
}
