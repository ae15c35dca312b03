//! How a server ends.

use std::time::Duration;

use isolab_core::{Cause, Phase, Reuse};
use isolab_frontend::{Config, Guest, RunError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::scripted::{Call, count};
use crate::support::{PATIENCE, Running, config, until};

/// The count of responses from a function that answers more than sockets can buffer.
const LARGE_RESPONSES: &str = "isolab_responses_total{executor=\"direct\",function=\"large\",status=\"200\"}";

/// Requests in flight may take an hour: only a server that waits for none ends in time.
fn patient() -> Config {
    let mut config = config(Reuse::Warm);
    config.bounds.drain = Duration::from_hours(1);
    config
}

fn hasty() -> Config {
    let mut config = config(Reuse::Warm);
    (config.bounds.drain, config.bounds.cleanup) = (Duration::from_millis(50), Duration::from_millis(50));
    config
}

/// A connection that has sent these bytes.
async fn sent(server: &Running, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// The result of a server that must end.
async fn ended(server: Running) -> Result<(), RunError> {
    tokio::time::timeout(PATIENCE, server.shut_down()).await.expect("the server ends").unwrap()
}

#[tokio::test]
async fn requests_in_flight_finish_and_idle_connections_close() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    let address = server.address;
    let (mut busy, mut idle, new) = (server.client().await, server.client().await, server.client().await);
    assert_eq!(idle.get("/a").await.status, 200);
    let shut_down = async {
        until("the request runs", || count(&script.waiting) == 1).await;
        let ended = server.shut_down();
        idle.closed().await;
        new.closed().await;
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
        assert_eq!(count(&script.closed), 0);
        script.invoke_gate.add_permits(1);
        ended.await.unwrap().unwrap();
    };
    let (answer, ()) = tokio::join!(busy.get("/a?wait"), shut_down);
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, Some("close")));
    assert_eq!((script.live(), count(&script.leaked), count(&script.closed)), (0, 0, 1));
}

#[tokio::test]
async fn a_request_that_does_not_finish_in_time_is_given_up_and_its_instance_stopped() {
    let (server, script) = Running::scripted(hasty());
    let mut busy = server.client().await;
    let shut_down = async {
        until("the request runs", || count(&script.waiting) == 1).await;
        ended(server).await.unwrap();
    };
    let request = http::Request::get("/a?wait").body(String::new()).unwrap();
    let (answer, ()) = tokio::join!(busy.try_send(request), shut_down);
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!((count(&script.stopped), count(&script.leaked), count(&script.closed)), (1, 0, 1));
}

#[tokio::test]
async fn hurry_gives_up_requests_in_flight_at_once() {
    let (server, script) = Running::scripted(patient());
    let mut busy = server.client().await;
    let shut_down = async {
        until("the request runs", || count(&script.waiting) == 1).await;
        let ended = server.shut_down_hurriedly();
        tokio::time::timeout(PATIENCE, ended).await.expect("the server ends").unwrap().unwrap();
    };
    let request = http::Request::get("/a?wait").body(String::new()).unwrap();
    let (answer, ()) = tokio::join!(busy.try_send(request), shut_down);
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!((count(&script.stopped), count(&script.leaked), count(&script.closed)), (1, 0, 1));
}

#[tokio::test]
async fn a_waiting_request_is_still_served() {
    let mut config = config(Reuse::Warm);
    config.bounds.instances = 1;
    let (server, script) = Running::scripted(config);
    let (mut running, mut queued) = (server.client().await, server.client().await);
    let queued = async {
        until("one request runs", || count(&script.waiting) == 1).await;
        queued.get("/b").await
    };
    let shut_down = async {
        server.until_metric("isolab_queue_length{executor=\"scripted\"}", 1).await;
        let ended = server.shut_down();
        script.invoke_gate.add_permits(1);
        ended.await.unwrap().unwrap();
    };
    let (running, queued, ()) = tokio::join!(running.get("/a?wait"), queued, shut_down);
    assert_eq!((running.status.as_u16(), queued.status.as_u16()), (200, 200));
    assert_eq!((script.live(), count(&script.leaked)), (0, 0));
}

#[tokio::test]
async fn a_stop_that_fails_does_not_keep_the_server() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    assert_eq!(server.get("/a").await.status, 200);
    script.fail(Phase::Stop, Cause::Internal("on purpose".into()));
    server.stop().await;
    assert_eq!(count(&script.stopped), 1);
}

#[tokio::test]
async fn dropping_the_running_server_ends_its_workers() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    assert_eq!(server.get("/a").await.status, 200);
    let ended = server.abort().await;
    assert!(ended, "the task was cancelled");
    until("the worker has stopped its instance", || count(&script.stopped) == 1).await;
}

#[tokio::test]
async fn an_executor_that_cannot_clean_up_is_reported() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    script.fail_close();
    let ended = server.shut_down().await.unwrap();
    assert!(matches!(&ended, Err(RunError::Close(errors)) if errors.len() == 1), "{ended:?}");
}

#[tokio::test]
async fn an_executor_that_does_not_close_is_reported_and_left() {
    let (server, script) = Running::scripted(hasty());
    script.block(Call::Close);
    let ended = ended(server).await;
    script.release();
    let Err(RunError::Close(errors)) = ended else { panic!("{ended:?}") };
    let text = errors[0].to_string();
    assert!(text.contains("scripted") && text.contains("did not close within 50ms"), "{text}");
}

/// Blocks a worker's thread in a call of the executor, and ends the server.
async fn ends_although_blocked_in(call: Call, phase: Phase, instance: Option<u64>) {
    let (server, script) = Running::scripted(Config { workers: 2, ..hasty() });
    let mut blocked = server.client().await;
    let first = blocked.get("/a").await.instance().0;
    script.block(call);
    // `/a` has an instance already.
    let function = if call == Call::Start { "b" } else { "a" };
    let shut_down = async {
        if call != Call::Stop {
            until("the thread is blocked", || count(&script.blocked) == 1).await;
        }
        ended(server).await
    };
    let request = http::Request::get(format!("/{function}")).body(String::new()).unwrap();
    let error = if call == Call::Stop {
        shut_down.await
    } else {
        tokio::select! {
            answer = blocked.try_send(request) => panic!("the worker is blocked: {answer:?}"),
            ended = shut_down => ended,
        }
    };
    let error = error.unwrap_err();
    let text = error.to_string();
    let RunError::Stuck { workers, unclosed } = error else { panic!("{error:?}") };
    assert_eq!((workers.len(), unclosed.len(), count(&script.closed)), (1, 0, 1));
    let guest = workers[0].guest.as_ref().expect("the executor is being called");
    let expected = Guest {
        executor: "scripted".into(),
        function: function.into(),
        phase,
        instance: instance.map(|offset| first + offset),
    };
    assert_eq!(guest, &expected);
    for part in [&workers[0].thread, function, "scripted", &phase.to_string()] {
        assert!(text.contains(part), "{text}");
    }
    script.release();
    until("the thread that was left behind has stopped its instances", || script.live() == 0).await;
    assert_eq!(count(&script.leaked), 0);
}

#[tokio::test]
async fn a_guest_that_keeps_its_thread_is_named_and_left_behind() {
    ends_although_blocked_in(Call::Invoke, Phase::Invoke, Some(0)).await;
}

#[tokio::test]
async fn a_start_that_keeps_its_thread_is_named_and_left_behind() {
    ends_although_blocked_in(Call::Start, Phase::Start, None).await;
}

#[tokio::test]
async fn a_stop_that_keeps_its_thread_is_named_and_left_behind() {
    ends_although_blocked_in(Call::Stop, Phase::Stop, Some(0)).await;
}

#[tokio::test]
async fn hurry_does_not_wait_for_a_guest_that_keeps_its_thread() {
    let (server, script) = Running::scripted(patient());
    script.block(Call::Invoke);
    let _client = sent(&server, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until("the thread is blocked", || count(&script.blocked) == 1).await;
    let ended = tokio::time::timeout(PATIENCE, server.shut_down_hurriedly()).await;
    let ended = ended.expect("the server ends").unwrap();
    assert!(matches!(&ended, Err(RunError::Stuck { workers, .. }) if workers.len() == 1), "{ended:?}");
    assert_eq!(count(&script.closed), 1);
    script.release();
}

#[tokio::test]
async fn idle_half_closed_and_half_spoken_connections_are_closed_at_once() {
    let server = Running::direct(patient());
    let mut silent = Vec::new();
    for bytes in [
        &b""[..],
        b"G",
        b"GET /hello HTTP/1.1\r\nHost:",
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHos",
        // The server waits for the rest of a body that it refuses, for 2 seconds.
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
    ] {
        silent.push(sent(&server, bytes).await);
    }
    let mut half_closed = sent(&server, b"GET /hello HTTP/1.1\r\nHos").await;
    half_closed.shutdown().await.unwrap();
    silent.push(half_closed);
    // The worker has accepted all of them: this is the last connection.
    assert_eq!(server.get("/hello").await.status, 200);
    ended(server).await.unwrap();
    for mut stream in silent {
        let mut rest = Vec::new();
        // The server may reset a connection with bytes that it has not read.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
    }
}

#[tokio::test]
async fn many_idle_connections_are_closed_at_once() {
    let server = Running::direct(Config { workers: 2, ..patient() });
    let mut clients = Vec::new();
    // This process holds both ends of each, and may have no more than 1,024 files open.
    for index in 0..400 {
        let mut client = server.client().await;
        // Half of them are kept after a request.
        if index % 2 == 0 {
            assert_eq!(client.get("/hello").await.status, 200);
        }
        clients.push(client);
    }
    ended(server).await.unwrap();
    for client in clients {
        client.closed().await;
    }
}

#[tokio::test]
async fn clients_that_send_or_read_too_slowly_are_left_after_the_drain_time() {
    let server = Running::direct(hasty());
    let slow_body = sent(&server, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").await;
    let unread = sent(&server, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.until_metric(LARGE_RESPONSES, 1).await;
    ended(server).await.unwrap();
    drop((slow_body, unread));
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_its_whole_response_within_the_drain_time() {
    let server = Running::direct(patient());
    let mut reading = sent(&server, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.until_metric(LARGE_RESPONSES, 1).await;
    let ended = server.shut_down();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut answer)).await;
    read.expect("the server closes").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"end"), "{} bytes", answer.len());
    tokio::time::timeout(PATIENCE, ended).await.expect("the server ends").unwrap().unwrap();
}
