//! HTTP/1.1 over one kept connection to the server in a container.
//!
//! A request costs one write, and one read if its response fits the buffer. A general
//! client would add a task, channels and a pool to a path that is measured. Streams go the same
//! way: a body that is not whole costs a write for each of its pieces, and a read.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;

use futures_util::StreamExt;
use isolab_core::http1::{self, LAST_CHUNK, Receiver};
use isolab_core::streams::{Broken, Outlet, Pieces};
use isolab_core::{Cause, Limits, Request, Response, Streams};
use isolab_sdk::server::UnixLine;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::failure::{Answer, Failure};
use crate::incoming::Incoming;
use crate::socket::{self, State};

/// A line to the server in a container: a Unix socket, or TCP.
pub trait Line: AsyncRead + AsyncWrite + AsFd + Unpin {}

impl<L: AsyncRead + AsyncWrite + AsFd + Unpin> Line for L {}

/// A connection with its buffers, which all requests use.
pub struct Connection {
    line: Box<dyn Line>,
    output: Vec<u8>,
    receiver: Receiver,
    limits: Limits,
}

impl Connection {
    /// A connection whose responses keep to these limits.
    pub fn new(line: impl Line + 'static, limits: Limits) -> Self {
        let receiver = Receiver::new(limits.response_bytes);
        Self { line: Box::new(line), output: Vec::new(), receiver, limits }
    }

    /// The same over a Unix socket.
    pub fn over(stream: UnixStream, limits: Limits) -> Result<Self, Cause> {
        let line = UnixLine::new(stream).map_err(|error| {
            Cause::Internal(format!("the connection of an instance cannot be used: {error}"))
        })?;
        Ok(Self::new(line, limits))
    }

    /// Whether the server has kept the connection open and sent nothing unasked.
    pub fn is_quiet(&self) -> bool {
        socket::state(&self.line) == State::Quiet
    }

    /// Sends a request and reads its response, or the cause that the server told. `None` in place
    /// of the connection: it cannot be used again.
    pub async fn exchange(mut self, request: &Request) -> Result<(Answer<Response>, Option<Self>), Failure> {
        self.send(request).await?;
        let mut incoming = Incoming::new(&mut self.line, &mut self.receiver, &request.method);
        let head = incoming.finish().await?;
        let answer = incoming.whole(head, self.limits)?;
        Ok((answer, head.keep_alive.then_some(self)))
    }

    /// The same with streams. An answer that is not whole at once goes to the outlet, and there is
    /// no response.
    pub async fn stream(
        mut self,
        request: &Request,
        streams: Streams,
    ) -> Result<(Answer<Option<Response>>, Option<Self>), Failure> {
        let Streams { rest, outlet } = streams;
        let Some(rest) = rest else {
            self.send(request).await?;
            let mut incoming = Incoming::new(&mut self.line, &mut self.receiver, &request.method);
            let (answer, is_kept) = incoming.flow(&outlet, self.limits).await?;
            return Ok((answer, is_kept.then_some(self)));
        };
        let ((answer, is_kept), is_sent) = self.flow_both_ways(request, rest, &outlet).await?;
        Ok((answer, (is_kept && is_sent).then_some(self)))
    }

    /// Sends a whole request.
    async fn send(&mut self, request: &Request) -> io::Result<()> {
        self.output.clear();
        http1::write_request(request, &mut self.output);
        self.line.write_all(&self.output).await
    }

    /// Sends the request's pieces while the answer arrives, and tells whether all were sent.
    async fn flow_both_ways(
        &mut self,
        request: &Request,
        rest: Pieces,
        outlet: &Outlet,
    ) -> Result<((Answer<Option<Response>>, bool), bool), Failure> {
        let Self { line, output, receiver, limits } = self;
        let (reader, writer) = tokio::io::split(line);
        output.clear();
        http1::write_streamed_request(request, output);
        let mut incoming = Incoming::new(reader, receiver, &request.method);
        until_answered(send_pieces(writer, output, rest), incoming.flow(outlet, *limits)).await
    }
}

/// Sends `output`, and then each piece in a chunk. The next piece is asked for when the server has
/// taken the one before. Answers whether the server took all.
async fn send_pieces(
    mut writer: impl AsyncWrite + Unpin,
    output: &mut Vec<u8>,
    mut rest: Pieces,
) -> Result<bool, Broken> {
    loop {
        // A server may close its side once it has answered. The answer tells what happened.
        if writer.write_all(output).await.is_err() {
            return Ok(false);
        }
        output.clear();
        match rest.next().await.transpose()? {
            Some(piece) => http1::write_chunk(&piece, output),
            None => return Ok(writer.write_all(LAST_CHUNK).await.is_ok()),
        }
    }
}

/// Runs both until the answer is there, which may be before the request is sent; whether it is
/// sent.
async fn until_answered<T>(
    sending: impl Future<Output = Result<bool, Broken>>,
    answering: impl Future<Output = Result<T, Failure>>,
) -> Result<(T, bool), Failure> {
    let (mut sending, mut answering) = (pin!(sending), pin!(answering));
    let is_sent = tokio::select! {
        biased;
        sent = &mut sending => sent?,
        answer = &mut answering => return Ok((answer?, false)),
    };
    Ok((answering.await?, is_sent))
}

#[cfg(test)]
mod tests;
