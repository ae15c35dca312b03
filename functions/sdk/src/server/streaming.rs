//! Calls a function whose bodies flow, on a thread of its own.
//!
//! Two queues of few pieces are between the thread and the connection, so either side waits for the
//! other. A client that leaves closes both, and the function's reads and writes fail.

use std::io::{self, Read, Write};

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn_blocking, spawn_local};

use super::{Answer, Body, NOT_HTTP, guest_request, told};
use crate::stream::{self, StreamHandle};

/// Pieces of a body between the connection and the function.
const PIECES: usize = 2;

/// The most bytes of a piece of an answer.
const PIECE_BYTES: usize = 64 << 10;

/// Answers as soon as the function has begun its answer, or has ended. The function goes on in the
/// background.
pub(super) async fn answer(request: hyper::Request<Incoming>, handle: StreamHandle) -> Answer {
    let (parts, incoming) = request.into_parts();
    let (arrived, pieces) = mpsc::channel(PIECES);
    spawn_local(read(incoming, arrived));
    let (begin, answered) = oneshot::channel();
    let function = spawn_blocking(move || call(&parts, pieces, begin, handle));
    if let Ok(answer) = answered.await {
        return answer;
    }
    // It has ended, or it panics, which ends the process as it does without threads.
    match function.await {
        Ok(Err(error)) => told("threw", &error.to_string()),
        Ok(Ok(())) => told("invalid-response", stream::NOT_BEGUN),
        Err(_) => std::process::abort(),
    }
}

/// Gives the body of the request to the function, until the function no longer reads it. An empty
/// piece is the end of the body: without it, the body has broken off.
async fn read(mut incoming: Incoming, arrived: mpsc::Sender<Bytes>) {
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else { return };
        let Ok(piece) = frame.into_data() else { continue };
        if !piece.is_empty() && arrived.send(piece).await.is_err() {
            return;
        }
    }
    // A function that has ended needs no end of the body.
    let _ = arrived.send(Bytes::new()).await;
}

fn call(
    parts: &Parts,
    pieces: mpsc::Receiver<Bytes>,
    begin: oneshot::Sender<Answer>,
    handle: StreamHandle,
) -> io::Result<()> {
    let mut input = Input { pieces, piece: Bytes::new(), has_ended: false };
    let mut output = Output { begin: Some(begin), body: None };
    let result = handle(&guest_request(parts, &[]), &mut input, &mut output);
    match (&result, &output.body) {
        (Err(error), Some(body)) => {
            // A client that has left needs no reason.
            let _ = body.0.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
            Ok(())
        }
        _ => result,
    }
}

struct Input {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
    has_ended: bool,
}

impl Read for Input {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && !self.has_ended && !room.is_empty() {
            let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the request's body broke off");
            self.piece = self.pieces.blocking_recv().ok_or_else(broken)?;
            self.has_ended = self.piece.is_empty();
        }
        let len = room.len().min(self.piece.len());
        room[..len].copy_from_slice(&self.piece.split_to(len));
        Ok(len)
    }
}

struct Output {
    begin: Option<oneshot::Sender<Answer>>,
    body: Option<Writer>,
}

impl stream::Answer for Output {
    fn begin(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<&mut dyn Write> {
        let begin = self.begin.take().ok_or_else(stream::begun_before)?;
        let (sender, pieces) = mpsc::channel(PIECES);
        let mut builder = hyper::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let answer = builder.body(Body::Pieces(pieces)).map_err(|_| io::Error::other(NOT_HTTP))?;
        begin.send(answer).map_err(|_| left())?;
        Ok(self.body.insert(Writer(sender)))
    }
}

struct Writer(mpsc::Sender<io::Result<Bytes>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        if !piece.is_empty() {
            self.0.blocking_send(Ok(Bytes::copy_from_slice(piece))).map_err(|_| left())?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn left() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the client has left")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::LocalSet;

    use super::*;
    use crate::Request;
    use crate::server::serve_connection;

    /// Answers each piece of the body as soon as it has come; with the query `fail`, fails after that.
    fn echo(request: &Request<'_>, body: &mut dyn Read, answer: &mut dyn crate::Answer) -> io::Result<()> {
        if request.query == "silent" {
            return Ok(());
        }
        if request.query == "bad" {
            return answer.begin(200, &[("a b", "c")]).map(drop);
        }
        let writer = answer.begin(201, &[("x-path", request.path)])?;
        io::copy(body, writer)?;
        if request.query == "fail" { Err(io::Error::other("no")) } else { Ok(()) }
    }

    /// Talks to a server around `echo`.
    fn with_server(talk: impl AsyncFnOnce(&mut DuplexStream)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(LocalSet::new().run_until(async {
            let (mut client, server) = duplex(1 << 10);
            let serving = spawn_local(serve_connection(server, |request| answer(request, echo)));
            talk(&mut client).await;
            drop(client);
            serving.await.unwrap();
        }));
    }

    async fn read_until(client: &mut DuplexStream, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let mut room = [0; 256];
            let len = client.read(&mut room).await.unwrap();
            assert!(len > 0, "the server ended the connection after {text:?}");
            text.push_str(std::str::from_utf8(&room[..len]).unwrap());
        }
        text
    }

    const BEGIN: &str = "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";

    #[test]
    fn a_piece_is_answered_before_the_next_one_comes() {
        with_server(async |client| {
            client.write_all(BEGIN.as_bytes()).await.unwrap();
            for (piece, end) in [("first", "first\r\n"), ("second", "second\r\n")] {
                let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                client.write_all(chunk.as_bytes()).await.unwrap();
                let text = read_until(client, end).await;
                assert!(piece == "second" || text.contains("HTTP/1.1 201") && text.contains("x-path: /a"));
            }
            client.write_all(b"0\r\n\r\n").await.unwrap();
            assert!(read_until(client, "0\r\n\r\n").await.ends_with("0\r\n\r\n"));
        });
    }

    #[test]
    fn a_function_that_fails_breaks_its_answer_off() {
        with_server(async |client| {
            let begin = BEGIN.replace("/a", "/?fail");
            client.write_all(begin.as_bytes()).await.unwrap();
            client.write_all(b"5\r\nfirst\r\n").await.unwrap();
            assert!(read_until(client, "first\r\n").await.contains("HTTP/1.1 201"));
            client.write_all(b"0\r\n\r\n").await.unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.unwrap();
            // The last chunk, of 0 bytes, is missing.
            assert_eq!(rest, b"");
        });
    }

    #[test]
    fn a_function_without_an_answer_is_a_failure() {
        let told = [("silent", "invalid-response", stream::NOT_BEGUN), ("bad", "threw", NOT_HTTP)];
        for (query, kind, reason) in told {
            with_server(async |client| {
                let request = format!("GET /?{query} HTTP/1.1\r\nhost: x\r\n\r\n");
                client.write_all(request.as_bytes()).await.unwrap();
                let text = read_until(client, reason).await;
                assert!(text.starts_with("HTTP/1.1 500"), "{text}");
                assert!(text.contains(&format!("x-isolab-failure: {kind}:the%20function")), "{text}");
            });
        }
    }

    #[test]
    fn a_client_that_leaves_ends_the_function() {
        // The server's thread would wait for ever if the function did.
        with_server(async |client| {
            client.write_all(BEGIN.as_bytes()).await.unwrap();
            client.write_all(b"5\r\nfir").await.unwrap();
            read_until(client, "fir\r\n").await;
        });
    }
}
