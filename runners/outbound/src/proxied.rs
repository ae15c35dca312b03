//! The way out of a container without a network: a Unix socket, at which a process of the host takes
//! requests with whole URLs, as a proxy does, and sends those to granted hosts.
//!
//! All hosts share the connections. A request holds one until its answer has been read to the end, and
//! leaves it to the next request then.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HOST, HeaderName};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use isolab_core::function::Host;
use percent_encoding::percent_decode;
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::BUFFER_BYTES;
use crate::body::Body;
use crate::error::{self, Error};

/// The most connections that the host takes of one container, as in `fetch.mjs`. Further requests wait
/// in the container.
pub const MOST_CONNECTIONS: usize = 256;

/// The header with the host's reason for a missing answer, percent-encoded.
pub const FAILURE: HeaderName = HeaderName::from_static("x-isolab-outbound");

/// Connections of one instance to its host.
#[derive(Clone, Debug)]
pub(crate) struct Proxied {
    socket: Arc<Path>,
    /// Connections without a request.
    idle: Arc<Mutex<Vec<SendRequest<Body>>>>,
}

impl Proxied {
    pub(crate) fn new(socket: &Arc<Path>) -> Self {
        Self { socket: Arc::clone(socket), idle: Arc::default() }
    }

    /// Has the host send a request. The permit is one of [`MOST_CONNECTIONS`].
    pub(crate) async fn send(
        self,
        host: &Host,
        mut request: Request<Body>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response<Incoming>, Error> {
        name_host(&mut request);
        let (sender, answer) = loop {
            let (mut sender, is_kept) = match self.take() {
                Some(sender) => (sender, true),
                None => (self.connect(host).await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(answer) => break (sender, answer),
                Err(mut failed) => match failed.take_message() {
                    // The host had closed the connection before.
                    Some(unsent) if is_kept => request = unsent,
                    _ => {
                        let reason = error::reason(failed.error());
                        return Err(Error::BrokeOff { host: host.clone(), reason });
                    }
                },
            }
        };
        tokio::spawn(self.keep(sender, permit));
        match answer.headers().get(FAILURE) {
            Some(reason) => {
                let reason = percent_decode(reason.as_bytes()).decode_utf8_lossy().into_owned();
                Err(Error::Refused(reason))
            }
            None => Ok(answer),
        }
    }

    fn take(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(SendRequest::is_ready)
    }

    async fn connect(&self, host: &Host) -> Result<SendRequest<Body>, Error> {
        let unreachable = |error: &dyn std::error::Error| Error::Unreachable {
            host: host.clone(),
            reason: format!("the lab's own socket {} fails: {error}", self.socket.display()),
        };
        let connected: io::Result<UnixStream> = UnixStream::connect(&self.socket).await;
        let stream = connected.map_err(|error| unreachable(&error))?;
        let made = Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| unreachable(&error))?;
        // The requests on the connection hear of its failures.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// Leaves the connection to the next request as soon as it can carry one.
    async fn keep(self, mut sender: SendRequest<Body>, permit: OwnedSemaphorePermit) {
        if sender.ready().await.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
        drop(permit);
    }
}

/// Sets the header that each request of HTTP/1.1 must have. The host goes by the URL alone.
fn name_host(request: &mut Request<Body>) {
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(value)) = authority {
        request.headers_mut().insert(HOST, value);
    }
}
