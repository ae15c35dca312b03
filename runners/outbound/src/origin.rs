//! A host with known delays, for tests and experiments.
//!
//! | request | answer |
//! |---|---|
//! | `GET /delay/MS?bytes=N` | after MS milliseconds, N bytes `x` |
//! | `GET /drip?ms=MS&pieces=K&bytes=N` | K pieces of N bytes `x`, MS milliseconds before each |
//! | `ANY /echo` | the request's body, while it comes |
//! | `ANY /head` | the request's method, target and headers, one a line, in order of their names |
//! | `GET /status/CODE` | this status, and `/echo` in the header `location` |
//! | `GET /break?bytes=N` | N bytes `x`, and breaks off before the promised end |
//! | anything else | status 404 |

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use isolab_core::streams::Broken;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A server on a thread of its own. It ends when it is dropped.
pub struct Origin {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// Starts a server on a free port of the loopback device.
    ///
    /// # Errors
    /// If the system gives no port, or cannot start a thread.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("origin".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed, and its clients have failed.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        // A connection that is gone before it was accepted, or too many open files: the next may do.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(async {
            let service = hyper::service::service_fn(|request| async { answer(request).await });
            // The client breaks connections off as it likes.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Body = UnsyncBoxBody<Bytes, Broken>;

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let number = |name| number_of(request.uri().query().unwrap_or_default(), name);
    let bytes = usize::try_from(number("bytes").unwrap_or(0)).unwrap_or(usize::MAX);
    let mut parts = path.trim_start_matches('/').split('/');
    let response = match (parts.next(), parts.next().map(str::parse)) {
        (Some("delay"), Some(Ok(ms))) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Response::new(whole("x".repeat(bytes)))
        }
        (Some("drip"), None) => {
            let delay = Duration::from_millis(number("ms").unwrap_or(0));
            Response::new(drip(delay, number("pieces").unwrap_or(u64::MAX), bytes))
        }
        (Some("echo"), None) => Response::new(echo(request.into_body())),
        (Some("head"), None) => Response::new(whole(head(&request))),
        (Some("status"), Some(Ok(code))) => {
            let status = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
            let mut response = Response::new(whole(String::new()));
            *response.status_mut() = status.unwrap_or(StatusCode::NOT_FOUND);
            response.headers_mut().insert("location", http::HeaderValue::from_static("/echo"));
            response
        }
        (Some("break"), None) => Response::new(breaking(bytes)),
        _ => {
            let mut response = Response::new(whole(String::new()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    Ok(response)
}

fn number_of(query: &str, name: &str) -> Option<u64> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok())
}

fn whole(text: String) -> Body {
    Full::from(text).map_err(|never| match never {}).boxed_unsync()
}

fn drip(delay: Duration, pieces: u64, bytes: usize) -> Body {
    let piece = Bytes::from("x".repeat(bytes));
    let next = move |left: u64| {
        let piece = piece.clone();
        async move {
            let left = left.checked_sub(1)?;
            tokio::time::sleep(delay).await;
            Some((Ok(Frame::data(piece)), left))
        }
    };
    StreamBody::new(stream::unfold(pieces, next)).boxed_unsync()
}

fn echo(body: Incoming) -> Body {
    let pieces = BodyStream::new(body).map(|frame| frame.map_err(|error| Broken(error.to_string())));
    StreamBody::new(pieces).boxed_unsync()
}

fn head(request: &Request<Incoming>) -> String {
    let headers = request.headers().iter();
    let mut lines: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort_unstable();
    format!("{} {}\n{}", request.method(), request.uri(), lines.concat())
}

fn breaking(bytes: usize) -> Body {
    let pieces = [Ok(Frame::data(Bytes::from("x".repeat(bytes)))), Err(Broken("as promised".into()))];
    // The first piece leaves before the connection breaks off.
    let pieces = stream::iter(pieces).then(|piece| async {
        if piece.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        piece
    });
    StreamBody::new(pieces).boxed_unsync()
}
