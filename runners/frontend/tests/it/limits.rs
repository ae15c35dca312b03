//! Bounds on the number of connections, and on their idle time.

use std::time::Duration;

use isolab_core::Reuse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::scripted::count;
use crate::support::{PATIENCE, Running, config, until};

/// Sends bytes and reads until the server closes the connection.
async fn closed_after(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the server closes").unwrap();
    answer
}

#[tokio::test]
async fn a_quiet_connection_is_closed() {
    let mut config = config(Reuse::Warm);
    config.bounds.idle = Duration::from_millis(80);
    let server = Running::direct(config);
    assert!(closed_after(&server, b"").await.is_empty());
    assert!(closed_after(&server, b"GET /hello HTTP/1.1\r\nHost:").await.is_empty());
    let answer = closed_after(&server, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with(b"{\"message\":\"Hello World\"}"));
    server.until_metric("isolab_connections", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_connection_with_a_request_in_work_is_not_quiet() {
    let mut config = config(Reuse::Warm);
    config.bounds.idle = Duration::from_millis(40);
    let (server, script) = Running::scripted(config);
    let mut client = server.client().await;
    let quiet = async {
        until("the request runs", || count(&script.waiting) == 1).await;
        // Meanwhile the server closes two other connections because they are quiet.
        assert!(closed_after(&server, b"").await.is_empty());
        assert!(closed_after(&server, b"").await.is_empty());
        script.invoke_gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(client.get("/a?wait"), quiet);
    assert_eq!(answer.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let mut config = config(Reuse::Warm);
    config.bounds.connections = 2;
    let server = Running::direct(config);
    let (mut first, mut second) = (server.client().await, server.client().await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.get("/hello").await.status, 200);
    }
    let mut third = server.client().await;
    let answer = third.get("/hello");
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => panic!("a third connection was accepted: {answer:?}"),
        again = first.get("/hello") => assert_eq!(again.status, 200),
    }
    drop(second);
    assert_eq!(answer.await.status, 200);
    drop(first);
    server.stop().await;
}
