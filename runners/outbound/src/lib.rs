//! Outbound requests of functions: plain HTTP/1.1, to granted hosts only.
//!
//! A function names the hosts that it needs in `function.toml`. [`Outbound`] is made once for each
//! function and knows these hosts. Each instance has a [`Client`] of its own, so two instances share
//! no connection. A client keeps its connections open for its next requests, on the thread that
//! made them.
//!
//! Redirects are answers like others, and proxies are not used. Nothing here knows the deadline: the
//! caller drops the future, or the body, when the time is over. These bounds hold besides:
//!
//! | bound | value |
//! |---|---|
//! | requests of a function at the same time; further ones wait | [`MOST_REQUESTS`] |
//! | time to connect | [`CONNECT_TIMEOUT`] |
//! | head of an answer, and bytes that a connection holds | [`BUFFER_BYTES`] |
//! | headers of an answer | 100, hyper's default |
//! | idle connections of a client to one host | [`MOST_IDLE`], for [`IDLE_TIMEOUT`] |
//!
//! [`origin`] is a server to send requests to.

mod body;
mod connector;
mod error;
pub mod origin;

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, Response, Uri, uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use isolab_core::Environment;
use isolab_core::function::{Grants, Host};
use isolab_core::streams::Pieces;
use tokio::sync::Semaphore;

pub use self::body::Body;
use self::connector::Connector;
pub use self::error::Error;

/// The most requests that a function may have at the same time, over all its instances.
pub const MOST_REQUESTS: usize = 1024;
/// The most idle connections that a client keeps to one host.
pub const MOST_IDLE: usize = 256;
/// How long a client keeps an idle connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a host may take to accept a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The bytes that a connection holds at most, about. They bound the head of an answer.
pub const BUFFER_BYTES: usize = isolab_core::message::HEADERS_BYTES;

/// Headers that belong to the connection. The client sets them itself, and drops those of a function.
const OF_CONNECTION: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The hosts that one function may send requests to.
#[derive(Debug)]
pub struct Outbound {
    /// The granted hosts, with their addresses where the resolver is not asked.
    hosts: HashMap<Host, Option<SocketAddr>>,
    requests: Arc<Semaphore>,
}

impl Outbound {
    /// The hosts of these grants.
    pub fn new(grants: &Grants, environment: &Environment) -> Self {
        let address = |host: &Host| (host.clone(), environment.hosts.get(host).copied());
        let hosts = grants.hosts.iter().map(address).collect();
        Self { hosts, requests: Arc::new(Semaphore::new(MOST_REQUESTS)) }
    }

    /// No hosts.
    pub fn nowhere() -> Self {
        Self { hosts: HashMap::new(), requests: Arc::new(Semaphore::new(0)) }
    }

    /// The host of a URL.
    ///
    /// # Errors
    /// If the URL is not one of plain HTTP, or its host is not granted.
    pub fn host_of(&self, url: &Uri) -> Result<Host, Error> {
        let authority = url.authority().filter(|_| url.scheme() == Some(&uri::Scheme::HTTP));
        let authority = authority.ok_or_else(|| Error::NotHttp(url.to_string()))?;
        let host = Host::of(authority);
        if self.hosts.contains_key(&host) { Ok(host) } else { Err(Error::NotGranted(host)) }
    }
}

/// Sends the requests of one instance.
#[derive(Clone, Debug)]
pub struct Client {
    outbound: Arc<Outbound>,
    client: legacy::Client<Connector, Body>,
}

impl Client {
    /// A client without connections. It must be used on one thread only, in a tokio runtime.
    pub fn new(outbound: &Arc<Outbound>) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MOST_IDLE)
            .http1_max_buf_size(BUFFER_BYTES)
            .build(Connector::new(outbound));
        Self { outbound: Arc::clone(outbound), client }
    }

    /// Sends a request, and returns when the head of its answer is there. The answer has no body if
    /// none follows its head. Dropping the future or the body gives the request up.
    ///
    /// # Errors
    /// If the host is not granted, does not accept a connection, or does not answer in HTTP.
    pub fn send(
        &self,
        mut request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Option<Pieces>>, Error>> + Send + 'static {
        let host = prepare(&self.outbound, &mut request);
        let (client, requests) = (self.client.clone(), Arc::clone(&self.outbound.requests));
        async move {
            let host = host?;
            let permit = requests.acquire_owned().await.map_err(|_| Error::NotGranted(host.clone()))?;
            let answered = client.request(request).await;
            let (head, body) = answered.map_err(|error| Error::of(&host, &error))?.into_parts();
            if head.status.is_informational() {
                let reason = format!("it answers {}, which nobody has asked for", head.status);
                return Err(Error::BrokeOff { host, reason });
            }
            Ok(Response::from_parts(head, body::pieces(body, host, permit)))
        }
    }
}

/// Checks a request, and removes the headers that are not the function's to set.
fn prepare(outbound: &Outbound, request: &mut Request<Body>) -> Result<Host, Error> {
    let host = outbound.host_of(request.uri())?;
    if request.method() == Method::CONNECT {
        return Err(Error::NotHttp(format!("CONNECT {}", request.uri())));
    }
    strip(request.headers_mut());
    Ok(host)
}

/// Removes the headers of a connection. The header `Connection` may name more of them.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in OF_CONNECTION.iter().chain(&named) {
        headers.remove(name);
    }
}
