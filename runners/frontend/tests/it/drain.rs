//! Ending in order.

use std::time::Duration;

use isolab_core::{Cause, Phase, Reuse};
use isolab_frontend::RunError;
use tokio::net::TcpStream;

use crate::support::scripted::count;
use crate::support::{PATIENCE, Running, config, until};

#[tokio::test]
async fn what_is_in_flight_finishes_and_what_is_idle_closes() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    let address = server.address;
    let (mut busy, mut idle, new) = (server.client().await, server.client().await, server.client().await);
    assert_eq!(idle.get("/a").await.status, 200);
    let shut_down = async {
        until("it runs", || count(&script.waiting) == 1).await;
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
async fn what_does_not_finish_in_time_is_given_up_and_its_instance_stopped() {
    let mut config = config(Reuse::Warm);
    config.bounds.drain = Duration::from_millis(50);
    let (server, script) = Running::scripted(config);
    let mut busy = server.client().await;
    let shut_down = async {
        until("it runs", || count(&script.waiting) == 1).await;
        tokio::time::timeout(PATIENCE, server.shut_down()).await.expect("the server ends").unwrap().unwrap();
    };
    let request = http::Request::get("/a?wait").body(String::new()).unwrap();
    let (answer, ()) = tokio::join!(busy.try_send(request), shut_down);
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!((count(&script.stopped), count(&script.leaked), count(&script.closed)), (1, 0, 1));
}

#[tokio::test]
async fn who_waits_is_still_served() {
    let mut config = config(Reuse::Warm);
    config.bounds.instances = 1;
    let (server, script) = Running::scripted(config);
    let (mut running, mut queued) = (server.client().await, server.client().await);
    let queued = async {
        until("one runs", || count(&script.waiting) == 1).await;
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
async fn an_instance_that_cannot_be_stopped_does_not_keep_the_server() {
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
