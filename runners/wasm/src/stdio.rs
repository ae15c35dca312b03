//! The standard streams of the full host, in the form of `wasmtime-wasi`.
//!
//! They are one body each while a request is answered, and the lab's log otherwise. A write waits for its
//! client, and a read for its piece, as in the light host.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use isolab_core::console::{self, Level};
use isolab_core::wasi::{End, Errno as Number, Refusal, Stdout, Tail};
use nix::errno::Errno;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::piped::{Input, Output, Piped};

/// The most bytes that a stream takes at a time, as `wasmtime-wasi` cuts them for preview 1.
const WRITE_BYTES: usize = 4096;

/// The streams of an instance. The guest's side shares them, and uses them only while it runs.
pub(crate) struct Stdio {
    input: Shared<Input>,
    output: Shared<Sink>,
    stderr: Arc<Mutex<Tail>>,
}

type Shared<T> = Arc<tokio::sync::Mutex<T>>;

/// Where standard output goes.
enum Sink {
    Plain(Stdout),
    /// To the client, piece by piece.
    Piped(Output),
}

impl Sink {
    async fn push(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        match self {
            Self::Plain(stdout) => stdout.push(&bytes),
            Self::Piped(output) => output.push(bytes).await,
        }
    }
}

impl Stdio {
    pub(crate) fn new(stdout: Stdout) -> Self {
        Self {
            input: Shared::default(),
            output: Arc::new(tokio::sync::Mutex::new(Sink::Plain(stdout))),
            stderr: Arc::default(),
        }
    }

    pub(crate) fn stdin(&self) -> Stdin {
        Stdin(Arc::clone(&self.input))
    }

    pub(crate) fn stdout(&self) -> impl StdoutStream + use<> {
        Writing(Arc::clone(&self.output))
    }

    pub(crate) fn stderr_stream(&self) -> impl StdoutStream + use<> {
        Writing(Arc::clone(&self.stderr))
    }

    pub(crate) fn set_stdin(&self, stdin: Bytes) {
        *unused(&self.input) = Input::new(stdin, None);
    }

    pub(crate) fn take_body(&self) -> Bytes {
        match &mut *unused(&self.output) {
            Sink::Plain(Stdout::Body { bytes, .. }) => std::mem::take(bytes).into(),
            _ => Bytes::new(),
        }
    }

    pub(crate) fn begin_streams(&self, Piped { input, output }: Piped) {
        *unused(&self.input) = input;
        *unused(&self.output) = Sink::Piped(output);
    }

    pub(crate) fn end_streams(&self) -> Option<Piped> {
        let input = std::mem::take(&mut *unused(&self.input));
        match std::mem::replace(&mut *unused(&self.output), Sink::Plain(Stdout::Console)) {
            Sink::Piped(output) => Some(Piped { input, output }),
            Sink::Plain(_) => None,
        }
    }

    /// The end of standard error.
    pub(crate) fn stderr(&self) -> String {
        lock(&self.stderr).text()
    }
}

/// A stream while no guest runs.
fn unused<T>(stream: &Shared<T>) -> tokio::sync::MutexGuard<'_, T> {
    stream.try_lock().expect("a call of the guest holds a stream only while the guest runs")
}

fn lock(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A refusal in the words of `wasmtime-wasi`.
fn failed(refusal: Refusal) -> StreamError {
    let number = |errno: Errno| StreamError::LastOperationFailed(io::Error::from(errno).into());
    match refusal {
        Refusal::Errno(Number::Pipe) => number(Errno::EPIPE),
        Refusal::Errno(_) => number(Errno::EIO),
        Refusal::End(End::Cause(cause)) => StreamError::Trap(cause.into()),
        Refusal::End(end) => StreamError::Trap(end.into()),
    }
}

/// Why a stream has only the form of preview 2.
const PREVIEW_2: &str = "preview 1 is built on the streams of preview 2";

pub(crate) struct Stdin(Shared<Input>);

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        unreachable!("{PREVIEW_2}")
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}

#[async_trait]
impl Pollable for Stdin {
    /// A stream that has broken off is ready: the next read says so.
    async fn ready(&mut self) {
        let _ = self.0.lock().await.fill().await;
    }
}

#[async_trait]
impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        Ok(self.0.try_lock().map_or(Bytes::new(), |mut input| input.take(size)))
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut input = self.0.lock().await;
        if size > 0 {
            input.fill().await.map_err(failed)?;
        }
        // The end, and a read of no bytes, are read as no bytes.
        Some(input.take(size)).filter(|bytes| !bytes.is_empty()).ok_or(StreamError::Closed)
    }
}

/// A stream that is written to.
struct Writing<T>(T);

/// Where it goes.
#[async_trait]
trait Write: Clone + Send + Sync + 'static {
    async fn write(&self, bytes: Bytes) -> Result<(), Refusal>;
}

#[async_trait]
impl Write for Shared<Sink> {
    async fn write(&self, bytes: Bytes) -> Result<(), Refusal> {
        self.lock().await.push(bytes).await
    }
}

#[async_trait]
impl Write for Arc<Mutex<Tail>> {
    async fn write(&self, bytes: Bytes) -> Result<(), Refusal> {
        console::write(Level::INFO, &bytes);
        lock(self).push(&bytes);
        Ok(())
    }
}

impl<T: Write> IsTerminal for Writing<T> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl<T: Write> StdoutStream for Writing<T> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        unreachable!("{PREVIEW_2}")
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self(self.0.clone()))
    }
}

#[async_trait]
impl<T: Write> Pollable for Writing<T> {
    async fn ready(&mut self) {}
}

#[async_trait]
impl<T: Write> OutputStream for Writing<T> {
    fn write(&mut self, _: Bytes) -> StreamResult<()> {
        Err(StreamError::trap("preview 1 writes and flushes in one call"))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(bytes).await.map_err(failed)
    }
}
