//! Requests through a socket of the host, as a function in a container sends them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Request;
use isolab_outbound::{Body, Client, Error, Outbound};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixListener;

/// A peer at a socket. It answers one request on each connection in these words, and closes it; without
/// words, it closes the connection at once.
struct Peer {
    socket: PathBuf,
    connections: Arc<AtomicUsize>,
    heads: Arc<std::sync::Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Peer {
    fn start(answer: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("outbound");
        let listener = UnixListener::bind(&socket).unwrap();
        let (connections, heads) =
            (Arc::<AtomicUsize>::default(), Arc::<std::sync::Mutex<String>>::default());
        let (count, seen) = (Arc::clone(&connections), Arc::clone(&heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                if answer.is_empty() {
                    continue;
                }
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap() > 0 {}
                seen.lock().unwrap().push_str(&head);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { socket, connections, heads, _folder: folder }
    }

    fn client(&self) -> Client {
        Client::new(&Arc::new(Outbound::through(self.socket.clone())))
    }
}

async fn ask(client: &Client, url: &str) -> Result<String, Error> {
    let request = Request::get(url).body(Body::Whole(Bytes::new())).unwrap();
    let mut pieces = client.send(request).await?.into_body().expect("a body");
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.unwrap());
    }
    Ok(String::from_utf8(body).unwrap())
}

/// The peer closes each connection, so one that was kept cannot carry a request.
#[tokio::test]
async fn a_request_has_its_whole_url_and_outlives_a_closed_connection() {
    let peer = Peer::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let client = peer.client();
    for _ in 0..20 {
        assert_eq!(ask(&client, "http://any.host:8080/x?y=1").await.as_deref(), Ok("ok"));
    }
    assert_eq!(peer.connections.load(Ordering::Relaxed), 20);
    let heads = peer.heads.lock().unwrap();
    assert!(heads.starts_with("GET http://any.host:8080/x?y=1 HTTP/1.1\r\n"), "{heads}");
    assert!(heads.contains("host: any.host:8080\r\n"), "{heads}");
}

#[tokio::test]
async fn the_reason_of_a_refusal_is_that_of_the_host() {
    let peer = Peer::start("HTTP/1.1 502 No\r\nx-isolab-outbound: %C3%A4 b\r\ncontent-length: 0\r\n\r\n");
    let refused = ask(&peer.client(), "http://other/").await;
    assert_eq!(refused, Err(Error::Refused("ä b".into())));
}

#[tokio::test]
async fn a_host_that_takes_no_request_is_asked_once() {
    let peer = Peer::start("");
    let client = peer.client();
    let broken = ask(&client, "http://origin/").await.unwrap_err();
    assert!(broken.to_string().starts_with("the exchange with `origin:80` broke off"), "{broken}");
    assert_eq!(peer.connections.load(Ordering::Relaxed), 1);
    std::fs::remove_file(&peer.socket).unwrap();
    let gone = ask(&client, "http://origin/").await.unwrap_err();
    assert!(matches!(gone, Error::Unreachable { .. }), "{gone}");
    let other = ask(&client, "https://origin/").await.unwrap_err();
    assert!(matches!(other, Error::NotHttp(_)), "{other}");
}
