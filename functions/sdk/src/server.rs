//! The native server that a container runs around a function.
//!
//! It listens where the environment says: `ISOLAB_SOCKET`, a path for a Unix
//! socket, or else `PORT`, a TCP port on all interfaces. One thread, because an
//! instance answers one request at a time.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::{Request, Response};

/// A function as the server calls it.
pub type Handle = fn(&Request<'_>) -> Response;

/// Serves until the process is killed; what [`crate::serve!`] calls.
pub fn main(handle: Handle) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    match runtime.and_then(|runtime| runtime.block_on(listen(handle))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the function's server cannot listen: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn listen(handle: Handle) -> io::Result<()> {
    if let Some(path) = std::env::var_os("ISOLAB_SOCKET") {
        let listener = UnixListener::bind(path)?;
        loop {
            serve(listener.accept().await?.0, handle);
        }
    }
    let port = std::env::var("PORT").unwrap_or_default();
    let port = port.parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "set ISOLAB_SOCKET to a path or PORT to a port")
    })?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    loop {
        let stream = listener.accept().await?.0;
        stream.set_nodelay(true)?;
        serve(stream, handle);
    }
}

fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handle: Handle) {
    let service = service_fn(move |request| answer(request, handle));
    tokio::spawn(async move {
        let mut server = http1::Builder::new();
        // A date is the front end's to add: no other model's response has one.
        server.auto_date_header(false);
        // A connection that breaks is its peer's business; the server goes on.
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    });
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
