//! HTTP/1.1 over one kept connection to the server in a container.
//!
//! A request costs one write, and one read if its response fits the buffer. A general
//! client would add a task, channels and a pool to a path that is measured.

use std::io;
use std::os::fd::AsFd;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use isolab_core::http1::{self, Head, ParseError, Receiver};
use isolab_core::{Cause, Limits, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::failure;
use crate::socket::{self, State};

/// A stream to the server in a container: a Unix socket, or TCP.
pub(crate) trait Stream: AsyncRead + AsyncWrite + AsFd + Unpin {}

impl<S: AsyncRead + AsyncWrite + AsFd + Unpin> Stream for S {}

/// A connection with its buffers, which all requests use.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    output: Vec<u8>,
    receiver: Receiver,
    limits: Limits,
}

/// A response, or the cause that a server told in its place.
pub(crate) type Answer = Result<Response, Cause>;

/// Why there was no response.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server closed the connection. The container's state tells why.
    Closed,
    /// A cause that is known without a look at the container.
    Cause(Cause),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Truncated => Self::Closed,
            ParseError::BodyTooLarge(limit_bytes) => Self::Cause(Cause::ResponseTooLarge(limit_bytes)),
            _ => Self::Cause(Cause::InvalidResponse(error.to_string())),
        }
    }
}

impl From<io::Error> for Failure {
    /// Every error of a connected stream means that the peer is gone.
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl Connection {
    /// A connection whose responses keep to these limits.
    pub(crate) fn new(stream: impl Stream + 'static, limits: Limits) -> Self {
        let receiver = Receiver::new(limits.response_bytes);
        Self { stream: Box::new(stream), output: Vec::new(), receiver, limits }
    }

    /// Whether the server has kept the connection open and sent nothing unasked.
    pub(crate) fn is_quiet(&self) -> bool {
        socket::state(&self.stream) == State::Quiet
    }

    /// Sends a request and reads its response, or the cause that the server told. `None` in place
    /// of the connection: it cannot be used again.
    pub(crate) async fn exchange(mut self, request: &Request) -> Result<(Answer, Option<Self>), Failure> {
        self.output.clear();
        http1::write_request(request, &mut self.output);
        self.stream.write_all(&self.output).await?;
        let (head, headers) = self.receive(&request.method).await?;
        let surplus = self.receiver.surplus();
        if surplus > 0 {
            return Err(Cause::InvalidResponse(format!("{surplus} bytes follow its end")).into());
        }
        if let Some(told) = headers.get(failure::HEADER) {
            let cause = failure::cause(told, self.limits);
            return Ok((Err(cause), head.keep_alive.then_some(self)));
        }
        let mut response = Response::new(Bytes::from(self.receiver.take_body()));
        *response.status_mut() = StatusCode::from_u16(head.status)
            .map_err(|_| Cause::InvalidResponse(format!("{} is not a status", head.status)))?;
        *response.headers_mut() = headers;
        Ok((Ok(response), head.keep_alive.then_some(self)))
    }

    /// Reads until the response is whole.
    async fn receive(&mut self, method: &Method) -> Result<(Head, HeaderMap), Failure> {
        self.receiver.reset();
        let (mut headers, mut invalid) = (HeaderMap::new(), None);
        loop {
            let read = self.stream.read(self.receiver.space()).await?;
            let head = self.receiver.advance(read, method, |name, value| {
                if let Err(cause) = keep(&mut headers, name, value) {
                    invalid = Some(cause);
                }
            })?;
            if let Some(cause) = invalid.take() {
                return Err(cause.into());
            }
            if let Some(head) = head {
                return Ok((head, headers));
            }
        }
    }
}

/// Keeps a header, unless it concerns only this connection or the body's length on it.
fn keep(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), Cause> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Cause::InvalidResponse(format!("`{name}` is not the name of a header")))?;
    if name == http::header::CONTENT_LENGTH || http1::is_hop_by_hop(name.as_str()) {
        return Ok(());
    }
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| Cause::InvalidResponse(format!("the value of `{name}` has forbidden characters")))?;
    headers.append(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use tokio::net::UnixStream;

    use super::*;

    /// Asks a server that sends `answer` and then closes the connection, unless it `stays`.
    async fn ask(answer: &'static [u8], stays: bool) -> Result<(Response, bool), Failure> {
        let (near, far) = UnixStream::pair().unwrap();
        let server = async {
            let kept = serve(far, answer).await;
            let kept = Some(kept).filter(|_| stays);
            std::future::pending::<()>().await;
            drop(kept);
        };
        let request = Request::new(Method::GET, Uri::from_static("/"), HeaderMap::new(), Bytes::new());
        tokio::select! {
            () = server => unreachable!("the server never ends"),
            result = Connection::new(near, Limits { response_bytes: 10, ..Limits::default() }).exchange(&request) => {
                let (answer, kept) = result?;
                Ok((answer?, kept.is_some()))
            }
        }
    }

    async fn serve(mut stream: UnixStream, answer: &[u8]) -> UnixStream {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        stream.write_all(answer).await.unwrap();
        stream
    }

    fn cause(result: Result<(Response, bool), Failure>) -> Cause {
        match result {
            Err(Failure::Cause(cause)) => cause,
            other => panic!("no cause: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_after_a_response_unless_it_ends() {
        let answer = b"HTTP/1.1 201 Created\r\nx-a: 1\r\nkeep-alive: 5\r\ncontent-length: 3\r\n\r\nabc";
        let (response, is_kept) = ask(answer, true).await.unwrap();
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(
            (response.status().as_u16(), &response.body()[..], is_kept),
            (201, b"abc".as_slice(), true)
        );
        assert_eq!(names, ["x-a"]);
        let (response, is_kept) = ask(b"HTTP/1.0 200 OK\r\n\r\nabc", false).await.unwrap();
        assert_eq!((&response.body()[..], is_kept), (b"abc".as_slice(), false));
    }

    #[tokio::test]
    async fn a_response_beyond_its_limit_is_refused_in_every_framing() {
        for answer in [
            b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n0123456789a",
        ] {
            assert_eq!(cause(ask(answer, true).await), Cause::ResponseTooLarge(10));
        }
        let full = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(ask(full, true).await.unwrap().0.body().len(), 10);
    }

    #[tokio::test]
    async fn a_connection_that_ends_early_does_not_tell_the_cause() {
        for answer in [b"".as_slice(), b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"] {
            assert!(matches!(ask(answer, false).await, Err(Failure::Closed)));
        }
    }

    #[tokio::test]
    async fn an_invalid_response_and_a_failure_that_the_server_reports_have_causes() {
        let surplus = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab";
        assert!(matches!(cause(ask(surplus, true).await), Cause::InvalidResponse(_)));
        assert!(matches!(cause(ask(b"SSH-2.0\r\n", true).await), Cause::InvalidResponse(_)));
        let trap =
            b"HTTP/1.1 500 Error\r\nx-isolab-failure: trapped:Error%3A%20%C3%A4\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(cause(ask(trap, true).await), Cause::Trapped("Error: ä".into()));
        let invalid =
            b"HTTP/1.1 500 Error\r\nx-isolab-failure: invalid-response:no\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(cause(ask(invalid, true).await), Cause::InvalidResponse("no".into()));
    }
}
