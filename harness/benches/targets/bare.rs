//! A hyper server and nothing else: one thread, one answer.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The first argument with which this binary is such a server.
pub(crate) const COMMAND: &str = "bare";

/// The process of a bare server; it is killed when dropped.
pub(crate) struct Bare {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// Starts a server that answers every request as `response` does, header by header.
    pub(crate) fn spawn(response: &Response<Bytes>, cpu: Option<usize>) -> Result<Self> {
        let mut arguments = vec![String::from_utf8(response.body().to_vec())?];
        for (name, value) in response.headers() {
            arguments.push(format!("{name}: {}", value.to_str()?));
        }
        let cpu = cpu.map_or_else(|| "-".into(), |cpu| cpu.to_string());
        let mut process = Command::new(std::env::current_exe()?)
            .args([COMMAND, &cpu])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("the bare server cannot be started")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("stdout is a pipe")?).read_line(&mut line)?;
        let address = line.trim().parse().context("the bare server did not say where it listens");
        address.map(|address| Self { process, address })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself, which its peer has noticed by then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the server: a processor, a body and headers are its arguments.
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let [cpu, body, headers @ ..] = arguments else { anyhow::bail!("a processor and a body are missing") };
    if let Ok(cpu) = cpu.parse() {
        isolab::affinity::pin(cpu)?;
    }
    let mut answer = Response::new(Bytes::from(body.clone()));
    for header in headers {
        let (name, value) = header.split_once(": ").context("a header is `name: value`")?;
        let name: hyper::header::HeaderName = name.parse()?;
        answer.headers_mut().insert(name, value.parse()?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(listen(answer.headers().clone(), answer.into_body()))
}

async fn listen(headers: HeaderMap, body: Bytes) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    loop {
        let stream = listener.accept().await?.0;
        stream.set_nodelay(true)?;
        let (headers, body) = (headers.clone(), body.clone());
        let service = service_fn(move |_: Request<Incoming>| {
            let mut answer = Response::new(Full::new(body.clone()));
            answer.headers_mut().clone_from(&headers);
            async { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
