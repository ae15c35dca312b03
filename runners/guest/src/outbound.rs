//! The outbound requests of one container, which has no network.
//!
//! The container sees a second socket of the host beside the one for its requests. There the host
//! takes HTTP/1.1 requests with whole URLs, as a proxy does, and sends those to granted hosts. The
//! URL alone decides where a request goes. Only processes of the container are served.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Empty, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use isolab_core::http1::is_hop_by_hop;
use isolab_core::streams::{Broken, PIECE_BYTES, Pieces};
use isolab_outbound::{BUFFER_BYTES, Body, Client, FAILURE, MOST_CONNECTIONS};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

/// The socket's name in the folder that the container sees.
pub const FILE: &str = "outbound";

/// The environment variable that tells the container's server the socket's path.
pub const VARIABLE: &str = "ISOLAB_OUTBOUND";

/// Serves one container until it is dropped.
pub struct Proxy(AbortHandle);

impl Proxy {
    /// Takes connections from the processes that `is_guest` knows. An exchange may take until the
    /// deadline.
    pub fn serve(
        listener: UnixListener,
        client: Client,
        deadline: Duration,
        is_guest: impl Fn(u32) -> bool + Send + 'static,
    ) -> Self {
        Self(tokio::spawn(accept(listener, client, deadline, is_guest)).abort_handle())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The tasks of connections end with this one.
async fn accept(listener: UnixListener, client: Client, deadline: Duration, is_guest: impl Fn(u32) -> bool) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { return };
        let process = stream.peer_cred().ok().and_then(|peer| peer.pid()).unwrap_or_default().unsigned_abs();
        if process == 0 || !is_guest(process) {
            tracing::warn!(process, "refused an outbound connection from outside of the container");
            continue;
        }
        let client = client.clone();
        connections.spawn(async move {
            let _held = place;
            serve_connection(stream, client, deadline).await;
        });
    }
}

fn serve_connection(
    stream: UnixStream,
    client: Client,
    deadline: Duration,
) -> impl Future<Output = ()> + Send {
    let service = service_fn(move |request| {
        let answering = answer(client.clone(), request, deadline);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let mut server = http1::Builder::new();
    server.auto_date_header(false).max_buf_size(BUFFER_BYTES);
    let serving = server.serve_connection(TokioIo::new(stream), service);
    async move {
        // The container may break a connection at any time, and learns of it itself.
        let _ = serving.await;
    }
}

type Answer = hyper::Response<UnsyncBoxBody<Bytes, Broken>>;

async fn answer(client: Client, request: hyper::Request<Incoming>, deadline: Duration) -> Answer {
    let end = Instant::now() + deadline;
    let late = || format!("no answer within the deadline of {deadline:?}");
    let sent = async {
        let (parts, body) = request.into_parts();
        let body = body_of(body).await.map_err(|broken| broken.to_string())?;
        let request = hyper::Request::from_parts(parts, body);
        client.send(request).await.map_err(|error| error.to_string())
    };
    let answered = timeout(deadline, sent).await.unwrap_or_else(|_| Err(late()));
    let (mut head, pieces) = match answered {
        Ok(answer) => answer.into_parts(),
        Err(reason) => return refusal(&reason),
    };
    strip(&mut head.headers);
    let body = match pieces {
        Some(pieces) => StreamBody::new(until(pieces, end, late())).boxed_unsync(),
        None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
    };
    hyper::Response::from_parts(head, body)
}

/// Removes headers that the host alone may set, and those of its own connection.
fn strip(headers: &mut HeaderMap) {
    let is_own = |name: &HeaderName| *name == FAILURE || is_hop_by_hop(name.as_str());
    let own: Vec<_> = headers.keys().filter(|name| is_own(name)).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

/// The body of a request from the container: a small one with a length as a whole.
async fn body_of(body: Incoming) -> Result<Body, Broken> {
    if body.size_hint().upper().is_some_and(|bytes| bytes <= PIECE_BYTES as u64) {
        return Ok(Body::Whole(body.collect().await.map_err(|error| cut_off(&error))?.to_bytes()));
    }
    Ok(Body::Pieces(pieces_of(body)))
}

/// The pieces of a request's body as they arrive.
pub fn pieces_of(body: Incoming) -> Pieces {
    let pieces = BodyStream::new(body).filter_map(|frame| {
        ready(match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(cut_off(&error))),
        })
    });
    Box::pin(pieces)
}

fn cut_off(error: &hyper::Error) -> Broken {
    Broken(format!("the request's body was cut off: {error}"))
}

/// The same pieces, broken off at an instant.
fn until(
    pieces: Pieces,
    end: Instant,
    late: String,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Broken>> + Send {
    stream::unfold(Some((pieces, late)), move |state| async move {
        let (mut pieces, late) = state?;
        match timeout_at(end, pieces.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(Frame::data(piece)), Some((pieces, late)))),
            Ok(Some(Err(broken))) => Some((Err(broken), None)),
            Err(_) => Some((Err(Broken(late)), None)),
        }
    })
}

fn refusal(reason: &str) -> Answer {
    let mut answer = hyper::Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    let text = utf8_percent_encode(reason, NON_ALPHANUMERIC).to_string();
    let text = HeaderValue::from_str(&text).expect("percent-encoded texts are visible ASCII");
    answer.headers_mut().insert(FAILURE, text);
    answer
}
