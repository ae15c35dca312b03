//! The native server that a container runs around a function.
//!
//! The environment says where requests come from: `ISOLAB_SOCKET` is the path of the
//! host's Unix socket, to which the server connects; `PORT` is a TCP port, on which it
//! listens on all interfaces. There is one thread, because an instance answers one
//! request at a time.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixStream};

use crate::{Request, Response};

/// A function as the server calls it.
pub type Handle = fn(&Request<'_>) -> Response;

/// Serves until the process is killed or the host is gone; what [`crate::serve!`] calls.
pub fn main(handle: Handle) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    match runtime.and_then(|runtime| runtime.block_on(serve(handle))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the function's server ends: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(handle: Handle) -> io::Result<()> {
    if let Some(path) = std::env::var_os("ISOLAB_SOCKET") {
        return serve_host(Path::new(&path), handle).await;
    }
    let port = std::env::var("PORT").unwrap_or_default();
    let port = port.parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "set ISOLAB_SOCKET to a path or PORT to a port")
    })?;
    listen(port, handle).await
}

/// Serves the host on one connection after the other. Where the host no longer listens,
/// nobody can ask, so that is an error.
async fn serve_host(path: &Path, handle: Handle) -> io::Result<()> {
    loop {
        let stream = UnixStream::connect(path).await.map_err(|error| {
            io::Error::new(error.kind(), format!("no connection to the host at {}: {error}", path.display()))
        })?;
        serve_connection(stream, handle).await;
    }
}

async fn listen(port: u16, handle: Handle) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    loop {
        let stream = listener.accept().await?.0;
        stream.set_nodelay(true)?;
        tokio::spawn(serve_connection(stream, handle));
    }
}

async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin, handle: Handle) {
    let mut server = http1::Builder::new();
    // The front end adds the date: no other model's response has one.
    server.auto_date_header(false);
    let service = service_fn(move |request| answer(request, handle));
    // When a connection breaks, the server goes on with the next one.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    handle: Handle,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(failure("the request's body was cut off"));
    };
    let body = body.to_bytes();
    let headers =
        parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let request = Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: headers.collect(),
        body: &body,
    };
    Ok(convert(handle(&request)).unwrap_or_else(|_| failure("the function's headers are not valid HTTP")))
}

fn convert(response: Response) -> Result<hyper::Response<Full<Bytes>>, hyper::http::Error> {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name.as_ref(), value.as_ref());
    }
    builder.body(Full::from(response.body))
}

fn failure(reason: &'static str) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::from(reason));
    *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
    response
}
