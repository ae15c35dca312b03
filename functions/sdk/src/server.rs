//! The server that a container runs around a function.
//!
//! The environment says where requests come from: `ISOLAB_SOCKET` is the path of the
//! host's Unix socket, to which the server connects; `PORT` is a TCP port, on which it
//! listens on all interfaces. `ISOLAB_CONNECTIONS` is the number of requests that the host may
//! send at the same time, each on a connection of its own. Without it the host sends one, and
//! there is one thread; with it, each request of a function has a thread.
//!
//! A function whose bodies flow always has a thread for each request (`streaming`).
//!
//! With `ISOLAB_ZYGOTE` the process serves nobody itself, and forks servers ([`zygote`]).

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use crate::stream::StreamHandle;
use crate::{Request, Response, wire};
pub use body::Body;
use body::Holding;
pub use line::UnixLine;

mod body;
mod line;
mod streaming;
pub mod zygote;

/// The allocator of a function's server, in place of musl's. A Wasm guest has Doug Lea's
/// allocator too, from the C library of WASI.
///
/// By callgrind, a server with it takes 12,433 instructions for a request of `hello` and
/// 409,593 for one of `json`, against 13,202 and 414,827 with musl's, and it keeps 8 to 44 KiB
/// less. With mimalloc, `json` takes 406,726, but each server holds 6 MiB more. The native
/// library of `direct` has glibc's allocator, like the host: several threads call it at once,
/// and this one has a single lock.
pub use dlmalloc::GlobalDlmalloc as Allocator;

/// A function as the server calls it.
pub type Handle = fn(&Request<'_>) -> Response;

/// A response of the server.
pub type Answer = hyper::Response<Body>;

/// Serves a function until the process is killed or the host is gone; what [`crate::serve!`]
/// calls.
pub fn main(handle: Handle) -> ExitCode {
    serve_or_fork(|| {
        if connections() == 1 {
            run(move |request| answer(request, handle))
        } else {
            run(move |request| answer_on_a_thread(request, handle))
        }
    })
}

/// The same for a function whose bodies flow; what [`crate::serve_stream!`] calls.
pub fn main_stream(handle: StreamHandle) -> ExitCode {
    serve_or_fork(|| run(move |request| streaming::answer(request, handle)))
}

fn serve_or_fork(serve: impl Fn() -> ExitCode) -> ExitCode {
    if zygote::is_wanted() { zygote::run(&serve) } else { serve() }
}

/// How many requests the host may send at the same time.
fn connections() -> usize {
    std::env::var("ISOLAB_CONNECTIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(1)
}

/// Serves requests until the process is killed or the host is gone.
pub fn run<A, F>(answer: A) -> ExitCode
where
    A: Fn(hyper::Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(connections())
        .build();
    match runtime.and_then(|runtime| runtime.block_on(serve(answer))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the function's server ends: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve<A, F>(answer: A) -> io::Result<()>
where
    A: Fn(hyper::Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    if let Some(path) = std::env::var_os("ISOLAB_SOCKET") {
        return LocalSet::new().run_until(serve_host(path.into(), answer)).await;
    }
    let port = std::env::var("PORT").unwrap_or_default();
    let port = port.parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "set ISOLAB_SOCKET to a path or PORT to a port")
    })?;
    LocalSet::new().run_until(listen(port, answer)).await
}

/// Serves the host: connects whenever every connection has a request, up to the number that may
/// be. Where the host no longer listens, nobody can ask, so that is an error.
async fn serve_host<A, F>(path: PathBuf, answer: A) -> io::Result<()>
where
    A: Fn(hyper::Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    let (failed, mut failures) = unbounded_channel();
    let (open, busy) = (Cell::new(0), Cell::new(0));
    let host = Rc::new(Host { path, answer, most: connections(), open, busy, failed });
    Host::connect_if_busy(&host);
    failures.recv().await.map_or(Ok(()), Err)
}

/// The connections to the host.
struct Host<A> {
    path: PathBuf,
    answer: A,
    /// The most connections.
    most: usize,
    /// How many connections there are.
    open: Cell<usize>,
    /// How many of them have a request.
    busy: Cell<usize>,
    failed: UnboundedSender<io::Error>,
}

impl<A, F> Host<A>
where
    A: Fn(hyper::Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    fn connect_if_busy(this: &Rc<Self>) {
        if this.open.get() > this.busy.get() || this.open.get() == this.most {
            return;
        }
        this.open.set(this.open.get() + 1);
        let host = Rc::clone(this);
        spawn_local(async move {
            match UnixStream::connect(&host.path).await.and_then(UnixLine::new) {
                Ok(stream) => serve_connection(stream, |request| Self::answer(&host, request)).await,
                Err(error) => {
                    let place = host.path.display();
                    let text = format!("no connection to the host at {place}: {error}");
                    // The receiver lives as long as the server.
                    let _ = host.failed.send(io::Error::new(error.kind(), text));
                    return;
                }
            }
            host.open.set(host.open.get() - 1);
            Self::connect_if_busy(&host);
        });
    }

    fn answer(
        this: &Rc<Self>,
        request: hyper::Request<Incoming>,
    ) -> impl Future<Output = hyper::Response<Holding<Busy<A>>>> + use<A, F> {
        let busy = Busy::begin(this);
        Self::connect_if_busy(this);
        let answering = (this.answer)(request);
        async move {
            let answer = answering.await;
            answer.map(|body| Holding { body, _held: busy })
        }
    }
}

/// Counts a request until its answer is sent, also if its connection breaks.
struct Busy<A>(Rc<Host<A>>);

impl<A> Busy<A> {
    fn begin(host: &Rc<Host<A>>) -> Self {
        host.busy.set(host.busy.get() + 1);
        Self(Rc::clone(host))
    }
}

impl<A> Drop for Busy<A> {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
    }
}

async fn listen<A, F>(port: u16, answer: A) -> io::Result<()>
where
    A: Fn(hyper::Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Answer> + 'static,
{
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    loop {
        let stream = listener.accept().await?.0;
        stream.set_nodelay(true)?;
        spawn_local(serve_connection(stream, answer.clone()));
    }
}

async fn serve_connection<A, F, B>(stream: impl AsyncRead + AsyncWrite + Unpin, answer: A)
where
    A: Fn(hyper::Request<Incoming>) -> F,
    F: Future<Output = hyper::Response<B>>,
    B: hyper::body::Body<Data = Bytes, Error = io::Error> + 'static,
{
    let mut server = http1::Builder::new();
    // The front end adds the date: no other model's response has one.
    server.auto_date_header(false);
    let service = service_fn(move |request| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    // When a connection breaks, the server goes on with the next one.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: hyper::Request<Incoming>, handle: Handle) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return failure("the request's body was cut off");
    };
    call(&parts, &body.to_bytes(), handle)
}

/// The same while the server's thread goes on. A function that panics ends the process, as it
/// does without threads.
async fn answer_on_a_thread(request: hyper::Request<Incoming>, handle: Handle) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return failure("the request's body was cut off");
    };
    let body = body.to_bytes();
    match spawn_blocking(move || call(&parts, &body, handle)).await {
        Ok(answer) => answer,
        Err(_) => std::process::abort(),
    }
}

fn call(parts: &Parts, body: &Bytes, handle: Handle) -> Answer {
    let response = handle(&guest_request(parts, body));
    if response.status == wire::THREW {
        return told("threw", &String::from_utf8_lossy(&response.body));
    }
    convert(response).unwrap_or_else(|_| told("invalid-response", NOT_HTTP))
}

const NOT_HTTP: &str = "the function's headers are not valid HTTP";

/// A request as a function sees it.
fn guest_request<'a>(parts: &'a Parts, body: &'a [u8]) -> Request<'a> {
    let headers =
        parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: headers.collect(),
        body,
    }
}

fn convert(response: Response) -> Result<Answer, hyper::http::Error> {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name.as_ref(), value.as_ref());
    }
    builder.body(Body::from(Bytes::from(response.body)))
}

/// The header of a failed request: a kind, a colon and a percent-encoded reason. The other servers in
/// containers send it, too.
const FAILURE: &str = "x-isolab-failure";

/// How many characters of a text the header has, as in the container's other servers.
const FAILURE_CHARS: usize = 1000;

/// The function has no answer, for a reason of this kind. The host answers in its place; a client that
/// comes without the host gets the reason as the body.
fn told(kind: &str, reason: &str) -> Answer {
    let reason: String = reason.chars().take(FAILURE_CHARS).collect();
    let value = format!("{kind}:{}", utf8_percent_encode(&reason, NON_ALPHANUMERIC));
    let mut answer = failure(reason);
    let value = HeaderValue::from_str(&value).expect("a percent-encoded text is visible ASCII");
    answer.headers_mut().insert(FAILURE, value);
    answer
}

fn failure(reason: impl Into<Bytes>) -> Answer {
    let mut response = hyper::Response::new(Body::from(reason.into()));
    *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
