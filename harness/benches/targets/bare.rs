//! A bare hyper server: one thread, one answer. It either has the answer, or calls the function
//! for it.

use std::convert::Infallible;
use std::io::Write as _;
use std::process::Command;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::server::Server;

/// The first argument that makes this binary such a server.
pub(crate) const COMMAND: &str = "bare";

/// Where a bare server gets its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// The body is always the same.
    Given,
    /// The server calls `hello`, as `direct` does.
    Called,
}

impl Bodies {
    const CALLED: &str = "called";

    fn argument(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Called => Self::CALLED,
        }
    }

    fn of_argument(argument: &str) -> Self {
        if argument == Self::CALLED { Self::Called } else { Self::Given }
    }
}

/// Starts a server that answers every request as `response` does, header by header.
pub(crate) fn spawn(response: &Response<Bytes>, bodies: Bodies, cpu: Option<usize>) -> Result<Server> {
    let mut arguments = vec![String::from_utf8(response.body().to_vec())?];
    for (name, value) in response.headers() {
        arguments.push(format!("{name}: {}", value.to_str()?));
    }
    let cpu = cpu.map_or_else(|| "-".into(), |cpu| cpu.to_string());
    let mut command = Command::new(std::env::current_exe()?);
    Server::spawn(command.args([COMMAND, &cpu, bodies.argument()]).args(arguments), "")
}

/// Runs the server. Its arguments are a processor, where it gets its bodies, a body, and headers.
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let [cpu, bodies, body, headers @ ..] = arguments else { anyhow::bail!("arguments are missing") };
    if let Ok(cpu) = cpu.parse() {
        isolab::host::affinity::pin(cpu)?;
    }
    let mut answer = Response::new(Bytes::from(body.clone()));
    for header in headers {
        let (name, value) = header.split_once(": ").context("a header is `name: value`")?;
        let name: hyper::header::HeaderName = name.parse()?;
        answer.headers_mut().insert(name, value.parse()?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(listen(answer.headers().clone(), answer.into_body(), Bodies::of_argument(bodies)))
}

async fn listen(headers: HeaderMap, body: Bytes, bodies: Bodies) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    loop {
        let stream = listener.accept().await?.0;
        stream.set_nodelay(true)?;
        let (headers, body) = (headers.clone(), body.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let body = if bodies == Bodies::Called { hello(&request) } else { body.clone() };
            let mut answer = Response::new(Full::new(body));
            answer.headers_mut().clone_from(&headers);
            async { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// The function's answer to a request without a body.
fn hello(request: &Request<Incoming>) -> Bytes {
    let headers =
        request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let request = isolab_sdk::Request {
        method: request.method().as_str(),
        path: "/",
        query: request.uri().query().unwrap_or_default(),
        headers: headers.collect(),
        body: &[],
    };
    function_hello::handle(&request).body.into()
}
