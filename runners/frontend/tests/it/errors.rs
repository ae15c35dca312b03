//! Every status of an error.

use std::time::Duration;

use http::{Method, Request};
use isolab_core::{Cause, Phase, Reuse, Variant};
use isolab_frontend::{BindError, Bounds, Config, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::raw;
use crate::support::scripted::{causes, count};
use crate::support::{Running, config, library, native, until};

#[tokio::test]
async fn every_cause_has_its_status_and_names_phase_function_and_executor() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    let mut client = server.client().await;
    let status = |cause: &Cause| match cause {
        Cause::Trapped(_) | Cause::Crashed(_) | Cause::ResponseTooLarge(_) | Cause::InvalidResponse(_) => 502,
        Cause::DeadlineExceeded(_) => 504,
        Cause::OutOfMemory(_) => 507,
        Cause::Unavailable(_) | Cause::OverCapacity(_) => 503,
        Cause::Artifact(_) | Cause::Internal(_) => 500,
        Cause::Threw(_) => unreachable!("it does not end its instance"),
    };
    let ends_its_instance = |cause: &Cause| !matches!(cause, Cause::Threw(_));
    for cause in causes().into_iter().filter(ends_its_instance) {
        let expected = (status(&cause), cause.name());

        let answer = client.get(&format!("/a?fail={}", cause.name())).await;
        let details = answer.problem(expected.0, expected.1);
        assert_eq!((&details["phase"], &details["function"]), (&"invoke".into(), &"a".into()));
        assert_eq!(answer.header("x-isolab-executor"), Some("scripted"));
        assert_eq!(answer.instance().1, 1, "an instance that failed is not used again");
        assert!(answer.phase_names().ends_with(&["start".into(), "invoke".into()]));
        assert_eq!(answer.header("retry-after").is_some(), answer.status == 503);

        script.fail(Phase::Start, cause);
        let answer = client.get("/a").await;
        assert_eq!(answer.problem(expected.0, expected.1)["phase"], "start");
        assert_eq!(answer.header("x-isolab-instance"), None);
        script.recover();
    }
    server.until_metric("isolab_instances_live{executor=\"scripted\",function=\"a\"}", 0).await;
    assert_eq!((count(&script.started), count(&script.stopped)), (10, 10));
    server.stop().await;
}

#[tokio::test]
async fn native_functions_fail_without_hurting_the_server() {
    let server = Running::direct(config(Reuse::Warm));
    for (function, kind) in
        [("panic", "trapped"), ("flood", "response-too-large"), ("nonsense", "invalid-response")]
    {
        let details = server.get(&format!("/{function}")).await.problem(502, kind);
        assert_eq!(details["executor"], "direct");
    }
    assert_eq!(server.get("/hello").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_panic_in_an_executor_ends_one_connection_only() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    let mut client = server.client().await;
    let panicking = Request::get("/a?panic").body(String::new()).unwrap();
    assert!(client.try_send(panicking).await.is_err());
    assert_eq!(server.get("/a").await.instance().1, 1);
    server.stop().await;
    assert_eq!((count(&script.started), count(&script.stopped)), (2, 2));
}

#[tokio::test]
async fn an_unknown_function_is_404_and_the_detail_lists_the_functions() {
    let server = Running::direct(config(Reuse::Warm));
    let details = server.get("/helo?x").await.problem(404, "unknown-function");
    let detail = details["detail"].as_str().unwrap();
    assert!(detail.contains("did you mean `hello`?") && detail.contains("echo"), "{detail}");
    for target in ["/", "//hello", "/-", "/Hello", "/hello%2Fa", "/%ff", "/./hello"] {
        server.get(target).await.problem(404, "unknown-function");
    }
    let options = raw(server.address, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(options.starts_with("HTTP/1.1 404"), "{options}");
    let connect =
        raw(server.address, b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n").await;
    assert!(connect.starts_with("HTTP/1.1 404"), "{connect}");
    server.stop().await;
}

#[tokio::test]
async fn a_cell_that_cannot_run_is_400_with_the_reason() {
    let (server, _) = Running::scripted(config(Reuse::Warm));
    let details = server.get("/hello").await.problem(400, "unsupported-cell");
    assert!(details["detail"].as_str().unwrap().contains("it does not support greetings"), "{details}");
    server.stop().await;

    let server = Running::direct(Config { variant: Some(Variant::Js), ..config(Reuse::Warm) });
    let details = server.get("/hello").await.problem(400, "unsupported-cell");
    assert!(details["detail"].as_str().unwrap().contains("cannot run the variant `js`"), "{details}");
    let details = server.get("/echo").await.problem(400, "unsupported-cell");
    assert!(details["detail"].as_str().unwrap().contains("no variant `js`"), "{details}");
    server.stop().await;
}

fn with_bounds(change: impl FnOnce(&mut Bounds)) -> Config {
    let mut config = config(Reuse::Warm);
    change(&mut config.bounds);
    config
}

#[tokio::test]
async fn a_body_beyond_its_bound_is_413_and_the_answer_arrives() {
    let server = Running::direct(with_bounds(|bounds| bounds.body_bytes = 100_000));
    let most = server.send(Method::POST, "/echo", &"x".repeat(100_000)).await;
    assert_eq!(most.text(), "POST /  100000");
    let details =
        server.send(Method::POST, "/echo", &"x".repeat(180_000)).await.problem(413, "body-too-large");
    assert_eq!(details["function"], "echo");

    // The body is announced and never sent: the response must not wait for it.
    let announced =
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n";
    let answer = raw(server.address, announced).await;
    assert!(answer.starts_with("HTTP/1.1 413") && !answer.contains("100 Continue"), "{answer}");

    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let answer = raw(server.address, format!("{head}{chunk}0\r\n\r\n").as_bytes()).await;
    assert!(answer.contains("POST /  60000"), "{answer}");
    let answer = raw(server.address, format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn bodies_of_all_requests_together_have_a_bound() {
    let mut config = config(Reuse::Warm);
    config.bounds.bodies_bytes = 10;
    let (server, script) = Running::scripted(config);
    let mut first = server.client().await;
    let held = first.send(Request::post("/a?wait").body("8 bytes.".to_owned()).unwrap());
    let others = async {
        until("one request runs", || count(&script.waiting) == 1).await;
        server.send(Method::POST, "/a", "3 b").await.problem(503, "over-capacity");
        assert_eq!(server.send(Method::POST, "/a", "2b").await.status, 200);
        script.invoke_gate.add_permits(1);
    };
    let (held, ()) = tokio::join!(held, others);
    assert_eq!(held.status, 200);
    assert_eq!(server.send(Method::POST, "/a", "10 bytes..").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_survives_a_refused_body() {
    let server = Running::direct(with_bounds(|bounds| bounds.body_bytes = 10));
    let mut client = server.client().await;
    let refused = Request::post("/echo").body("eleven bytes".to_owned()).unwrap();
    client.send(refused).await.problem(413, "body-too-large");
    assert_eq!(client.get("/echo").await.status, 200);
    let unknown = Request::post("/nothing").body("short".to_owned()).unwrap();
    client.send(unknown).await.problem(404, "unknown-function");
    assert_eq!(client.get("/echo").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_408_and_a_broken_off_one_harms_nothing() {
    let server = Running::direct(with_bounds(|bounds| bounds.body_wait = Duration::from_millis(50)));
    let head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab";
    let answer = raw(server.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body-timeout"), "{answer}");

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(server.get("/echo").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_head_beyond_its_bound_is_431() {
    let server = Running::direct(with_bounds(|bounds| bounds.head_bytes = 8_192));
    let head = |bytes| {
        format!("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: {}\r\n\r\n", "a".repeat(bytes))
    };
    assert!(raw(server.address, head(7_000).as_bytes()).await.starts_with("HTTP/1.1 200"));
    let answer = raw(server.address, head(9_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = "X-A: a\r\n".repeat(101);
    let answer = raw(server.address, format!("GET /hello HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn malformed_http_is_400() {
    let server = Running::direct(config(Reuse::Warm));
    for malformed in [
        "nonsense\r\n\r\n",
        "GET /hello\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost x\r\n\r\n",
        "GET /hel lo HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        "POST /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(server.address, malformed.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{malformed:?}: {answer}");
    }
    let answer =
        raw(server.address, b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn header_values_beyond_visible_ascii_are_400() {
    let server = Running::direct(config(Reuse::Warm));
    let head = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Name: Jürgen\r\n\r\n";
    let answer = raw(server.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("`x-name`"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn bad_settings_and_missing_or_equal_executors_are_refused_when_binding() {
    let bind = |config: Config, executors| Server::bind(config, executors, library(&[]).0).map(|_| ());
    let busy = Running::direct(config(Reuse::Warm));
    let error =
        bind(Config { listen: busy.address, ..Config::default() }, vec![native::direct()]).unwrap_err();
    assert!(matches!(error, BindError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&busy.address.to_string()), "{error}");
    busy.stop().await;

    let free = || config(Reuse::Warm);
    assert!(matches!(bind(free(), vec![]), Err(BindError::NoExecutor)));
    let twice = vec![native::direct(), native::direct()];
    assert!(matches!(bind(free(), twice), Err(BindError::Duplicate(spec)) if spec == "direct"));
    for (bad, name) in [
        (Config { workers: 0, ..free() }, "workers"),
        (with_bounds(|bounds| bounds.instances = 0), "bounds.instances"),
        (with_bounds(|bounds| bounds.connections = 0), "bounds.connections"),
        (with_bounds(|bounds| bounds.head_bytes = 8_191), "bounds.head_bytes"),
        (with_bounds(|bounds| bounds.idle = Duration::ZERO), "bounds.idle"),
        (with_bounds(|bounds| bounds.idle = Duration::from_nanos(7)), "bounds.idle"),
    ] {
        let error = bind(bad, vec![native::direct()]).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
