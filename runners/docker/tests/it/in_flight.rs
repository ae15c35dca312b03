//! Containers with several requests in flight, and what they can do to their neighbours.

use std::time::Duration;

use crate::support::{Lab, PATIENCE, get, stop};
use futures_util::future::join_all;
use isolab_core::{Cause, Variant};

const TOGETHER: &str = r#"
const waiting = [];
const paths = {
  "/reverse": (count) => { if (waiting.length === count) for (const answer of waiting.reverse()) answer(); },
  "/exit": (count) => { if (waiting.length === count) process.exit(3); },
  "/hold": () => {},
};
export default { fetch(request) {
  const { pathname, searchParams } = new URL(request.url);
  const number = searchParams.get("number");
  if (pathname === "/") return new Response("free");
  return new Promise((resolve) => {
    waiting.push(() => resolve(new Response(number)));
    paths[pathname](Number(searchParams.get("of")));
  });
} };
"#;

#[tokio::test]
async fn answers_in_another_order_reach_their_own_requests() {
    for spec in ["docker:concurrency=4", "docker:concurrency=4,network=bridge"] {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let function = lab.handler("reverses", "", TOGETHER);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let uris = [
            "/reverse?of=4&number=0",
            "/reverse?of=4&number=1",
            "/reverse?of=4&number=2",
            "/reverse?of=4&number=3",
        ];
        let answers = join_all(uris.map(|uri| get(&*instance, uri)));
        let answers = tokio::time::timeout(PATIENCE, answers).await.expect("all are answered");
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().body(), number.to_string().as_str(), "{spec}");
        }
        stop(instance).await;
    }
}

/// The server connects anew only if all its connections have a request. The requests that wait for a
/// connection are more than the server ever opens, because some answers come first.
#[tokio::test]
async fn more_requests_at_once_than_connections_are_all_answered() {
    let short = "export default { async fetch() { await null; return new Response('short') } }";
    for spec in ["docker:concurrency=100", "docker:concurrency=100,network=bridge"] {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let function = lab.handler("short", "", short);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        for round in 0..3 {
            let answers = join_all((0..100).map(|_| get(&*instance, "/")));
            let answers = tokio::time::timeout(PATIENCE, answers).await;
            let answers = answers.unwrap_or_else(|_| panic!("{spec}: round {round}: not all are answered"));
            assert!(answers.into_iter().all(|answer| answer.is_ok_and(|answer| answer.body() == "short")));
        }
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_container_that_dies_takes_its_requests_with_it_and_each_has_the_cause() {
    for spec in ["docker:concurrency=8", "docker:concurrency=8,network=bridge"] {
        let Some(mut lab) = Lab::open(spec).await else { return };
        let function = lab.handler("dies-with-eight", "", TOGETHER);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let answers = join_all((0..8).map(|_| get(&*instance, "/exit?of=8")));
        let answers = tokio::time::timeout(PATIENCE, answers).await.expect("all are answered");
        for answer in answers {
            let cause = answer.unwrap_err();
            assert!(
                matches!(&cause, Cause::Crashed(text) if text.contains("exit code 3")),
                "{spec}: {cause}"
            );
        }
        stop(instance).await;
    }
}

#[tokio::test]
async fn requests_that_are_held_leave_the_others_their_places() {
    let Some(mut lab) = Lab::open("docker:concurrency=4").await else { return };
    let function = lab.handler("holds", "[limits]\ndeadline_ms = 3000\n", TOGETHER);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let held = join_all((0..3).map(|_| get(&*instance, "/hold")));
    // The fourth place serves one request after the other.
    let free = async {
        for _ in 0..10 {
            assert_eq!(get(&*instance, "/").await.unwrap().body(), "free");
        }
    };
    let both = async { tokio::join!(held, free).0 };
    for answer in tokio::time::timeout(PATIENCE, both).await.expect("all end") {
        assert_eq!(answer.unwrap_err(), Cause::DeadlineExceeded(Duration::from_secs(3)));
    }
    stop(instance).await;
}

/// Has one connection, however many requests there may be, and answers only its first.
const HOARDS: &str = r#"
import { connect } from "node:net";
const socket = connect(process.env.ISOLAB_SOCKET);
socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
setInterval(() => {}, 1000);
await new Promise(() => {});
"#;

#[tokio::test]
async fn a_container_that_opens_too_few_connections_has_a_deadline() {
    let Some(mut lab) = Lab::open("docker:concurrency=4").await else { return };
    let function = lab.handler("hoards", "[limits]\ndeadline_ms = 2000\n", HOARDS);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let answers = join_all((0..4).map(|_| get(&*instance, "/")));
    let answers = tokio::time::timeout(PATIENCE, answers).await.expect("all end");
    let (answered, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((answered.len(), late.len()), (1, 3));
    for answer in late {
        assert_eq!(answer.unwrap_err(), Cause::DeadlineExceeded(Duration::from_secs(2)));
    }
    stop(instance).await;
}
