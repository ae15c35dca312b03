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
//! Inside of a container without a network, [`Outbound::through`] knows a socket of the host in place of
//! hosts, and the host has the grants (`proxied`).
//!
//! [`origin`] is a server to send requests to.

mod body;
mod connector;
mod error;
pub mod origin;
mod proxied;

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
use self::proxied::Proxied;
pub use self::proxied::{FAILURE, MOST_CONNECTIONS};

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
    reach: Reach,
    requests: Arc<Semaphore>,
}

/// The hosts within reach.
#[derive(Debug)]
enum Reach {
    /// The granted ones, with their addresses where the resolver is not asked.
    Granted(HashMap<Host, Option<SocketAddr>>),
    /// Those that the process behind this socket lets through.
    Through(Arc<Path>),
}

impl Outbound {
    /// The hosts of these grants.
    pub fn new(grants: &Grants, environment: &Environment) -> Self {
        let address = |host: &Host| (host.clone(), environment.hosts.get(host).copied());
        let hosts = grants.hosts.iter().map(address).collect();
        Self { reach: Reach::Granted(hosts), requests: Arc::new(Semaphore::new(MOST_REQUESTS)) }
    }

    /// The hosts that the host of this container lets its function reach: it listens at `socket`.
    /// [`MOST_CONNECTIONS`] requests may be on their way at the same time.
    pub fn through(socket: PathBuf) -> Self {
        let requests = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        Self { reach: Reach::Through(socket.into()), requests }
    }

    /// No hosts.
    pub fn nowhere() -> Self {
        Self { reach: Reach::Granted(HashMap::new()), requests: Arc::new(Semaphore::new(0)) }
    }

    /// The host of a URL.
    ///
    /// # Errors
    /// If the URL is not one of plain HTTP, or its host is not granted.
    pub fn host_of(&self, url: &Uri) -> Result<Host, Error> {
        let authority = url.authority().filter(|_| url.scheme() == Some(&uri::Scheme::HTTP));
        let authority = authority.ok_or_else(|| Error::NotHttp(url.to_string()))?;
        let host = Host::of(authority);
        match &self.reach {
            Reach::Granted(hosts) if !hosts.contains_key(&host) => Err(Error::NotGranted(host)),
            Reach::Granted(_) | Reach::Through(_) => Ok(host),
        }
    }

    /// The address of a granted host, unless the resolver knows it.
    fn address_of(&self, host: &Host) -> Option<SocketAddr> {
        match &self.reach {
            Reach::Granted(hosts) => hosts.get(host).copied().flatten(),
            Reach::Through(_) => None,
        }
    }
}

/// Sends the requests of one instance.
#[derive(Clone, Debug)]
pub struct Client {
    outbound: Arc<Outbound>,
    way: Way,
}

/// The way to a host.
#[derive(Clone, Debug)]
enum Way {
    Network(legacy::Client<Connector, Body>),
    Proxied(Proxied),
}

impl Client {
    /// A client without connections. It must be used on one thread only, in a tokio runtime.
    pub fn new(outbound: &Arc<Outbound>) -> Self {
        let network = || {
            legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .pool_max_idle_per_host(MOST_IDLE)
                .http1_max_buf_size(BUFFER_BYTES)
                .build(Connector::new(outbound))
        };
        let way = match &outbound.reach {
            Reach::Granted(_) => Way::Network(network()),
            Reach::Through(socket) => Way::Proxied(Proxied::new(socket)),
        };
        Self { outbound: Arc::clone(outbound), way }
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
        let (way, requests) = (self.way.clone(), Arc::clone(&self.outbound.requests));
        async move {
            let host = host?;
            let permit = requests.acquire_owned().await.map_err(|_| Error::NotGranted(host.clone()))?;
            let (answered, permit) = match way {
                Way::Network(client) => {
                    let answered = client.request(request).await.map_err(|error| Error::of(&host, &error));
                    (answered?, Some(permit))
                }
                Way::Proxied(proxied) => (proxied.send(&host, request, permit).await?, None),
            };
            let (head, body) = answered.into_parts();
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
