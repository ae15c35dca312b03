//! Requests as functions get them, and responses as clients get them.

use std::time::{Duration, Instant};

use http::{Method, Request};
use isolab_core::{Function, Reuse};
use isolab_frontend::Config;

use crate::support::client::raw;
use crate::support::scripted::{self, Script};
use crate::support::{Running, config, library};

#[tokio::test]
async fn every_case_is_answered_byte_by_byte() {
    let server = Running::direct(config(Reuse::Warm));
    let hello = Function::load(&isolab_core::guest::workspace().join("functions/hello")).unwrap();
    let mut client = server.client().await;
    for case in hello.cases() {
        let target = format!("/hello{}?{}", case.request.path(), case.request.query());
        let mut request = Request::builder().method(case.request.method.clone()).uri(target);
        request.headers_mut().unwrap().extend(case.request.headers.clone());
        // This client only sends text.
        let Ok(body) = String::from_utf8(case.request.body.to_vec()) else { continue };
        let answer = client.send(request.body(body).unwrap()).await;
        let mut response = http::Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        case.check(&response).unwrap_or_else(|difference| panic!("{}: {difference}", case.name));
    }
    server.stop().await;
}

#[tokio::test]
async fn any_method_path_query_and_body_reach_the_function() {
    let server = Running::direct(config(Reuse::Warm));
    let mut client = server.client().await;
    for (method, target, body, expected) in [
        (Method::GET, "/echo", "", "GET /  0"),
        (Method::GET, "/echo/", "", "GET /  0"),
        (Method::PUT, "/echo/a/b%20c?x=1&y", "four", "PUT /a/b%20c x=1&y 4"),
        (Method::DELETE, "/%65cho/a", "", "DELETE /a  0"),
        (Method::OPTIONS, "/echo?%2F", "", "OPTIONS / %2F 0"),
        (Method::from_bytes(b"BREW").unwrap(), "/echo", "tea", "BREW /  3"),
    ] {
        let request = Request::builder().method(&method).uri(target).body(body.to_owned()).unwrap();
        let answer = client.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, expected), "{method} {target}");
    }
    let large = "x".repeat(300_000);
    let answer = client.send(Request::post("/echo").body(large).unwrap()).await;
    assert_eq!(answer.text(), "POST /  300000");
    server.stop().await;
}

#[tokio::test]
async fn headers_of_the_connection_do_not_reach_the_function() {
    let server = Running::direct(config(Reuse::Warm));
    let request =
        b"GET /names HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\
        Keep-Alive: 5\r\nX-End: 1\r\n\r\n";
    let answer = raw(server.address, request).await;
    assert!(answer.ends_with("\r\n\r\nhost x-end"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = Running::direct(config(Reuse::Warm));
    let answer = server.send(Method::HEAD, "/hello", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some("25"));
    assert_eq!(answer.body.len(), 0);
    assert_eq!(answer.phase_names(), ["prepare", "start", "invoke"]);
    server.stop().await;
}

#[tokio::test]
async fn a_response_names_its_phases_its_executor_and_its_instance() {
    let server = Running::direct(config(Reuse::Warm));
    let begun = Instant::now();
    let first = server.get("/hello").await;
    let elapsed = begun.elapsed();
    assert_eq!(first.phase_names(), ["prepare", "start", "invoke"]);
    let sum: Duration = first.phases().iter().map(|(_, duration)| *duration).sum();
    assert!(sum > Duration::ZERO && sum < elapsed, "{sum:?} of {elapsed:?}");
    assert_eq!(first.header("x-isolab-executor"), Some("direct"));
    let (id, uses) = first.instance();
    assert_eq!(uses, 1);

    let second = server.get("/hello").await;
    assert_eq!((second.phase_names(), second.instance()), (vec!["invoke".to_owned()], (id, 2)));
    let other = server.get("/echo").await;
    assert_eq!(other.phase_names(), ["prepare", "start", "invoke"]);
    assert_ne!(other.instance().0, id);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_is_kept_and_takes_pipelined_requests() {
    let server = Running::direct(config(Reuse::Warm));
    let mut client = server.client().await;
    for uses in 1..=5 {
        assert_eq!(client.get("/hello").await.instance().1, uses);
    }
    let request = "GET /hello?myName=A HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /hello?myName=B HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = raw(server.address, format!("{request}{request}{last}").as_bytes()).await;
    assert_eq!(answers.matches("Hello A").count(), 2);
    assert!(answers.ends_with("{\"message\":\"Hello B\"}"), "{answers}");
    server.stop().await;
}

#[tokio::test]
async fn http_1_0_is_answered() {
    let server = Running::direct(config(Reuse::Warm));
    let answer = raw(server.address, b"GET /hello HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    let answer =
        raw(server.address, b"GET http://a/hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_function_cannot_break_the_framing() {
    let server = Running::direct(config(Reuse::Warm));
    let mut client = server.client().await;
    for uses in 1..=2 {
        let answer = client.get("/frame").await;
        assert_eq!((answer.text().as_str(), answer.header("content-length")), ("four", Some("4")));
        assert_eq!(answer.header("connection"), None);
        assert_eq!(answer.instance().1, uses);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_header_chooses_among_the_executors() {
    let (library, _folder) = library(&["a"]);
    let script = std::sync::Arc::new(Script::default());
    let executors = ["scripted:level=3", "scripted", "scripted:level=5,mode=wild"]
        .map(|spec| scripted::executor_with(&script, spec));
    let server = Running::start(config(Reuse::Warm), executors.to_vec(), library);
    let mut client = server.client().await;
    assert_eq!(client.get("/a").await.header("x-isolab-executor"), Some("scripted:level=3"));
    for (spec, chosen) in [
        ("scripted", "scripted"),
        ("scripted:level=3", "scripted:level=3"),
        ("scripted:mode=wild,level=5", "scripted:level=5,mode=wild"),
        ("scripted:mode=wild", "scripted:level=5,mode=wild"),
        ("scripted:level=0,mode=calm", "scripted"),
    ] {
        assert_eq!(client.get_on("/a", spec).await.header("x-isolab-executor"), Some(chosen), "{spec}");
    }
    for bad in ["", "wasm", "scripted:level=4", "scripted:colour=red", "scripted:", "%"] {
        let details = client.get_on("/a", bad).await.problem(400, "bad-spec");
        let detail = details["detail"].as_str().unwrap();
        assert!(
            detail.contains("scripted:level=3") || detail.contains("not an executor spec"),
            "{bad}: {detail}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn connections_are_spread_over_the_workers() {
    let server = Running::direct(Config { workers: 2, ..config(Reuse::Warm) });
    let (mut first, mut second) = (server.client().await, server.client().await);
    let mut ids = [first.get("/hello").await, second.get("/hello").await].map(|answer| answer.instance().0);
    ids.sort_unstable();
    // Each worker owns its instances, so two workers answer with two instances.
    assert!(ids[0] < ids[1]);
    let again = [first.get("/hello").await, second.get("/hello").await];
    assert!(again.iter().all(|answer| answer.instance().1 == 2), "{again:?}");
    server.stop().await;
}
