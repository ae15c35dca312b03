//! A small HTTP client, and one that sends raw bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::PATIENCE;

/// A connection that is kept.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        Self { sender, connection }
    }

    pub(crate) async fn try_send(&mut self, request: Request<String>) -> hyper::Result<Answer> {
        let mut request = request.map(Full::from);
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("localhost"));
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    pub(crate) async fn send(&mut self, request: Request<String>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.send(Request::get(target).body(String::new()).unwrap()).await
    }

    /// Sends a request that chooses its executor.
    pub(crate) async fn get_on(&mut self, target: &str, spec: &str) -> Answer {
        self.send(Request::get(target).header("x-isolab-executor", spec).body(String::new()).unwrap()).await
    }

    /// Sends a request that asks for its bill.
    pub(crate) async fn get_billed(&mut self, target: &str) -> Answer {
        self.send(Request::get(target).header("x-isolab-bill", "1").body(String::new()).unwrap()).await
    }

    /// Returns when the server has closed the connection.
    pub(crate) async fn closed(self) {
        tokio::time::timeout(PATIENCE, self.connection).await.expect("the server closes").unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Id and uses of the instance that answered.
    pub(crate) fn instance(&self) -> (u64, u64) {
        let (id, uses) = self.header("x-isolab-instance").unwrap().split_once(";uses=").unwrap();
        (id.parse().unwrap(), uses.parse().unwrap())
    }

    /// The phases of `Server-Timing` with their durations.
    pub(crate) fn phases(&self) -> Vec<(String, Duration)> {
        let phase = |entry: &str| {
            let (name, milliseconds) = entry.split_once(";dur=").unwrap();
            (name.to_owned(), Duration::from_secs_f64(milliseconds.parse::<f64>().unwrap() / 1e3))
        };
        self.header("server-timing").map_or_else(Vec::new, |value| value.split(", ").map(phase).collect())
    }

    pub(crate) fn phase_names(&self) -> Vec<String> {
        self.phases().into_iter().map(|(name, _)| name).collect()
    }

    /// The keys of the bill with their values, as they are sent.
    pub(crate) fn bill(&self) -> BTreeMap<String, String> {
        let bill = self.header("x-isolab-bill").unwrap_or_else(|| panic!("no bill: {self:?}"));
        let pairs = bill.split(", ").map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// A number of the bill.
    pub(crate) fn billed(&self, key: &str) -> u64 {
        self.bill()[key].parse().unwrap()
    }

    /// Checks that this is a problem of that kind, and returns its details.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let details = self.json();
        assert_eq!(self.status, status, "{details}");
        assert_eq!(details["status"], status);
        assert_eq!(details["type"], format!("/-/problems/{kind}"), "{details}");
        assert!(details["title"].is_string() && details["detail"].is_string(), "{details}");
        details
    }
}

/// Sends bytes as they are, and reads until the server closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the server closes").unwrap();
    String::from_utf8(answer).unwrap()
}
