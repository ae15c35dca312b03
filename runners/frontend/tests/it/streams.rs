//! Bodies that flow, on the connection's thread and on a compute thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use isolab_core::Reuse;
use isolab_frontend::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::scripted::{Script, count};
use crate::support::{PATIENCE, Running, config, until};

const HEAD: &str = "HTTP/1.1\r\nHost: x\r\n";

/// Servers whose functions stream: one without compute threads, and one that begins on them.
fn servers() -> [(Running, Arc<Script>); 2] {
    [0, 4].map(|compute_threads| {
        let config = Config { compute_threads, ..config(Reuse::Warm) };
        let (server, script) = Running::scripted_with(config, &["a", "large"]);
        script.streams.store(true, Ordering::SeqCst);
        (server, script)
    })
}

/// A client that sends and reads bytes.
struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    async fn send(server: &Running, text: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Reads until the answer contains this text.
    async fn until(&mut self, text: &str) {
        let reading = async {
            while !self.text().contains(text) {
                let read = self.stream.read_buf(&mut self.read).await.unwrap();
                assert!(read > 0, "the answer ended before `{text}`: {}", self.text());
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the text in time");
    }

    /// Reads once. Returns whether the server has closed the connection.
    async fn has_ended(&mut self) -> bool {
        let reading = self.stream.read_buf(&mut self.read);
        tokio::time::timeout(PATIENCE, reading).await.expect("more in time").unwrap() == 0
    }

    /// Reads until the server closes the connection.
    async fn read_to_close(mut self) -> String {
        let reading = self.stream.read_to_end(&mut self.read);
        // A reset is an end, too.
        let _ = tokio::time::timeout(PATIENCE, reading).await.expect("the server closes");
        self.text()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

#[tokio::test]
async fn an_answer_begins_while_its_request_arrives() {
    for (server, _) in servers() {
        let mut client =
            Raw::send(&server, &format!("POST /a?echo {HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"))
                .await;
        client.until("3\r\nabc\r\n").await;
        client.stream.write_all(b"3\r\ndef\r\n").await.unwrap();
        client.until("3\r\ndef\r\n").await;
        client.stream.write_all(b"0\r\n\r\n").await.unwrap();
        client.until("0\r\n\r\n").await;
        let text = client.text();
        assert!(text.contains("invoke;dur=") && text.contains(";uses=1"), "{text}");
        server.stop().await;
    }
}

#[tokio::test]
async fn small_and_empty_bodies_are_whole_and_the_connection_is_kept() {
    for (server, _) in servers() {
        let mut client = server.client().await;
        for body in ["", "small"] {
            let request = http::Request::post("/a?echo").body(body.to_owned()).unwrap();
            assert_eq!(client.send(request).await.text(), body);
        }
        let whole = client.get("/a").await;
        assert_eq!((whole.status.as_u16(), whole.text()), (200, "answered".into()));
        assert_eq!(whole.headers["content-length"], "8");
        server.stop().await;
    }
}

#[tokio::test]
async fn pieces_arrive_while_the_function_waits() {
    for (server, script) in servers() {
        let mut client = Raw::send(&server, &format!("GET /a?begin {HEAD}\r\n")).await;
        client.until("3\r\none\r\n").await;
        assert!(!client.text().contains("two"));
        until("it waits", || count(&script.waiting) == 1).await;
        script.invoke_gate.add_permits(1);
        client.until("3\r\ntwo\r\n0\r\n\r\n").await;
        server.stop().await;
        assert_eq!(script.live(), 0);
    }
}

#[tokio::test]
async fn an_answer_that_fails_is_broken_off_and_its_instance_is_stopped() {
    for (server, script) in servers() {
        let mut client = Raw::send(&server, &format!("GET /a?break {HEAD}\r\n")).await;
        client.until("one").await;
        script.invoke_gate.add_permits(1);
        let text = client.read_to_close().await;
        assert!(!text.contains("0\r\n\r\n"), "{text}");
        until("the instance is stopped", || script.live() == 0).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_failure_before_the_answer_begins_has_a_status() {
    for (server, _) in servers() {
        let mut client = server.client().await;
        assert_eq!(client.get("/a?fail=deadline").await.status, 504);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_invocation() {
    for (server, script) in servers() {
        let mut client = Raw::send(&server, &format!("GET /a?begin {HEAD}\r\n")).await;
        client.until("one").await;
        drop(client);
        until("the instance is stopped", || script.live() == 0).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_function_waits_for_a_client_that_does_not_read() {
    for (server, script) in servers() {
        let mut client =
            Raw::send(&server, &format!("GET /large?flood {HEAD}Connection: close\r\n\r\n")).await;
        client.until("\r\n\r\n").await;
        // The sockets' buffers and the pieces on the way hold some; the whole is 32 MiB.
        while !client.has_ended().await {
            let ahead = count(&script.written).saturating_sub(client.read.len());
            assert!(ahead < 16 << 20, "{ahead} bytes were taken without a reader");
        }
        assert!(client.text().ends_with("0\r\n\r\n"));
        assert_eq!(count(&script.written), 32 << 20);
        server.stop().await;
    }
}

#[tokio::test]
async fn bodies_beyond_the_functions_limit_are_refused_however_they_arrive() {
    for (server, _) in servers() {
        let too_long = (16 << 20) + 1;
        let client =
            Raw::send(&server, &format!("POST /a?echo {HEAD}Content-Length: {too_long}\r\n\r\nabc")).await;
        assert!(client.read_to_close().await.starts_with("HTTP/1.1 413"));
        server.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_fails_its_function() {
    for (server, script) in servers() {
        let mut client =
            Raw::send(&server, &format!("POST /a?echo {HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"))
                .await;
        client.until("abc").await;
        client.stream.write_all(b"x\r\n").await.unwrap();
        let text = client.read_to_close().await;
        assert!(!text.contains("0\r\n\r\n"), "{text}");
        until("the invocation has ended", || count(&script.written) == 3).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_begins_has_its_bill_in_a_trailer() {
    for (server, script) in servers() {
        let asks = "X-Isolab-Bill: 1\r\nTE: trailers\r\n";
        let mut client = Raw::send(&server, &format!("GET /a?begin {HEAD}{asks}\r\n")).await;
        client.until("one").await;
        assert!(client.text().contains("trailer: x-isolab-bill"), "{}", client.text());
        script.invoke_gate.add_permits(1);
        client.until("x-isolab-bill: wall_ns=").await;
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_drains_finishes_answers_that_have_begun() {
    for (server, script) in servers() {
        let mut client = Raw::send(&server, &format!("GET /a?begin {HEAD}\r\n")).await;
        client.until("one").await;
        let address = server.address;
        let ended = server.shut_down();
        let refused = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
        script.invoke_gate.add_permits(1);
        client.until("two\r\n0\r\n\r\n").await;
        ended.await.unwrap().unwrap();
        assert_eq!((script.live(), count(&script.leaked)), (0, 0));
    }
}
