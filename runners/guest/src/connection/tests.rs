use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri};
use isolab_core::Cause;
use isolab_core::streams::Begun;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

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
    assert_eq!((response.status().as_u16(), &response.body()[..], is_kept), (201, b"abc".as_slice(), true));
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
    let invalid = b"HTTP/1.1 500 Error\r\nx-isolab-failure: invalid-response:no\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(cause(ask(invalid, true).await), Cause::InvalidResponse("no".into()));
}

/// The way of one exchange with streams, seen by its caller.
struct Streaming {
    exchange: std::pin::Pin<Box<dyn Future<Output = Streamed>>>,
    outlet: Rc<Outlet>,
    /// The server's end.
    far: UnixStream,
}

type Streamed = Result<(Answer<Option<Response>>, Option<Connection>), Failure>;

impl Streaming {
    /// A POST with this body; with a sender, pieces follow.
    fn begin(body: &'static str, rest: Option<mpsc::Receiver<Result<Bytes, Broken>>>) -> Self {
        let (near, far) = UnixStream::pair().unwrap();
        let request = Request::new(Method::POST, Uri::from_static("/"), HeaderMap::new(), body.into());
        let outlet = Rc::<Outlet>::default();
        let rest = rest.map(|mut rest| -> Pieces {
            futures_util::stream::poll_fn(move |context| rest.poll_recv(context)).boxed()
        });
        let streams = Streams { rest, outlet: Rc::clone(&outlet) };
        let limits = Limits { response_bytes: 1 << 20, ..Limits::default() };
        let exchange = Box::pin(async move { Connection::new(near, limits).stream(&request, streams).await });
        Self { exchange, outlet, far }
    }

    /// Runs the exchange beside `other`, until that ends.
    async fn beside<T>(&mut self, other: impl AsyncFnOnce(&mut UnixStream) -> T) -> T {
        let Self { exchange, far, .. } = self;
        tokio::select! {
            biased;
            done = other(far) => done,
            _ = exchange => panic!("the exchange ended before its time"),
        }
    }

    /// Lets the exchange do all that it can do at once.
    async fn turn(&mut self) {
        for _ in 0..10 {
            assert!(futures_util::poll!(&mut self.exchange).is_pending(), "the exchange ended");
            tokio::task::yield_now().await;
        }
    }

    /// Runs the exchange until its answer begins.
    async fn begun(&mut self) -> Begun {
        let Self { exchange, outlet, .. } = self;
        std::future::poll_fn(|context| {
            let state = exchange.as_mut().poll(context);
            match (outlet.take(), state) {
                (Some(begun), _) => Poll::Ready(begun),
                (None, Poll::Ready(_)) => panic!("the exchange ended without streams"),
                (None, Poll::Pending) => Poll::Pending,
            }
        })
        .await
    }

    /// Runs the exchange until its next piece.
    async fn piece(&mut self, begun: &mut Begun) -> Bytes {
        self.beside(async |_| begun.pieces.recv().await.unwrap()).await
    }

    /// Closes the server's end and runs the exchange to its end, with the pieces that were left.
    async fn end(self, begun: &mut Begun) -> (Streamed, usize) {
        drop(self.far);
        let mut bytes = 0;
        let reading = async {
            while let Some(piece) = begun.pieces.recv().await {
                bytes += piece.len();
            }
        };
        let (streamed, ()) = tokio::join!(self.exchange, reading);
        (streamed, bytes)
    }
}

/// Reads until `end` has arrived.
async fn read_until(stream: &mut UnixStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "{}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn an_answer_that_is_whole_at_once_does_not_begin_a_stream() {
    let mut exchange = Streaming::begin("ab", None);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
    exchange
        .beside(async |far| {
            let request = read_until(far, "ab").await;
            assert!(request.contains("content-length: 2\r\n"), "{request}");
            far.write_all(answer).await.unwrap();
        })
        .await;
    let (answer, kept) = exchange.exchange.await.unwrap();
    assert_eq!(answer.unwrap().unwrap().body(), "abc");
    assert!(kept.is_some() && exchange.outlet.take().is_none());
}

#[tokio::test]
async fn pieces_flow_both_ways_at_the_same_time() {
    let (pieces, rest) = mpsc::channel(1);
    let mut exchange = Streaming::begin("first", Some(rest));
    exchange.beside(async |far| read_until(far, "chunked\r\n\r\n5\r\nfirst\r\n").await).await;
    // The answer begins before the request is whole.
    exchange.beside(async |far| far.write_all(CHUNKED).await.unwrap()).await;
    let mut begun = exchange.begun().await;
    assert_eq!(begun.head.status(), 200);
    for text in ["second", "third"] {
        pieces.send(Ok(text.into())).await.unwrap();
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        exchange
            .beside(async |far| {
                read_until(far, &chunk).await;
                far.write_all(chunk.as_bytes()).await.unwrap();
            })
            .await;
        assert_eq!(exchange.piece(&mut begun).await, text);
    }
    // An empty piece would end the body in the middle.
    pieces.send(Ok(Bytes::new())).await.unwrap();
    drop(pieces);
    exchange
        .beside(async |far| {
            assert_eq!(read_until(far, "0\r\n\r\n").await, "0\r\n\r\n");
            far.write_all(b"0\r\n\r\n").await.unwrap();
        })
        .await;
    let (answer, kept) = exchange.exchange.await.unwrap();
    assert!(matches!(answer, Ok(None)) && kept.is_some());
}

#[tokio::test]
async fn a_connection_with_half_a_request_is_not_used_again() {
    let (_pieces, rest) = mpsc::channel(1);
    let mut exchange = Streaming::begin("first", Some(rest));
    exchange
        .beside(async |far| {
            read_until(far, "first\r\n").await;
            far.write_all(b"HTTP/1.1 413 Too Much\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        })
        .await;
    let (answer, kept) = exchange.exchange.await.unwrap();
    assert_eq!(answer.unwrap().unwrap().status(), 413);
    assert!(kept.is_none());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    let (pieces, rest) = mpsc::channel(1);
    let exchange = Streaming::begin("first", Some(rest));
    pieces.send(Err(Broken("the client left".into()))).await.unwrap();
    let failure = exchange.exchange.await.err().unwrap();
    assert!(matches!(&failure, Failure::Left(text) if text.contains("the client left")), "{failure:?}");
}

/// Fills the line with pieces that nobody takes.
async fn fill(far: &mut UnixStream, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while let Poll::Ready(written) = futures_util::poll!(std::pin::pin!(far.write(bytes))) {
        sent += written.unwrap();
        tokio::task::yield_now().await;
    }
    sent
}

#[tokio::test]
async fn a_slow_client_holds_up_the_server() {
    let mut exchange = Streaming::begin("", None);
    exchange
        .beside(async |far| {
            read_until(far, "\r\n\r\n").await;
            far.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
        })
        .await;
    let mut begun = exchange.begun().await;
    let mut sent = 0;
    // The line fills up while the exchange runs, because its pieces are not taken.
    loop {
        let filled = exchange.beside(async |far| fill(far, &[b'x'; 4096]).await).await;
        sent += filled;
        assert!(sent < 1 << 20, "nothing holds up the server");
        if filled == 0 {
            break;
        }
        exchange.turn().await;
    }
    let (streamed, bytes) = exchange.end(&mut begun).await;
    assert!(matches!(streamed.unwrap(), (Ok(None), None)));
    assert_eq!(bytes, sent);
}

#[tokio::test]
async fn a_server_that_reads_nothing_holds_up_the_client() {
    let (pieces, rest) = mpsc::channel(1);
    let mut exchange = Streaming::begin("", Some(rest));
    let piece = Bytes::from(vec![b'x'; 64 << 10]);
    let mut taken = 0;
    while pieces.try_send(Ok(piece.clone())).is_ok() {
        taken += piece.len();
        assert!(taken < 4 << 20, "nothing holds up the client");
        exchange.turn().await;
    }
}

type Check = fn(&Failure) -> bool;

#[tokio::test]
async fn a_hostile_server_breaks_a_stream_with_a_cause() {
    let invalid = |failure: &Failure| matches!(failure, Failure::Cause(Cause::InvalidResponse(_)));
    let closed = |failure: &Failure| matches!(failure, Failure::Closed);
    let cases: [(&[u8], Check); 4] = [
        (b"x\r\n", invalid),
        (b"3\r\nabcd\r\n", invalid),
        (b"3\r\nab", closed),
        (b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", invalid),
    ];
    for (rest, is_expected) in cases {
        let mut exchange = Streaming::begin("", None);
        exchange.beside(async |far| far.write_all(CHUNKED).await.unwrap()).await;
        let mut begun = exchange.begun().await;
        exchange.far.write_all(rest).await.unwrap();
        let failure = exchange.end(&mut begun).await.0.err().unwrap();
        assert!(is_expected(&failure), "{}: {failure:?}", String::from_utf8_lossy(rest));
    }
}

#[tokio::test]
async fn an_endless_stream_ends_at_its_limit() {
    let mut exchange = Streaming::begin("", None);
    exchange.beside(async |far| far.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap()).await;
    let mut begun = exchange.begun().await;
    let Streaming { exchange, mut far, .. } = exchange;
    let endless = async { while far.write_all(&[b'x'; 4096]).await.is_ok() {} };
    let reading = async { while begun.pieces.recv().await.is_some() {} };
    let (streamed, (), ()) = tokio::join!(exchange, endless, reading);
    let failure = streamed.err().unwrap();
    assert!(matches!(failure, Failure::Cause(Cause::ResponseTooLarge(_))), "{failure:?}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_exchange() {
    let mut exchange = Streaming::begin("", None);
    exchange.beside(async |far| far.write_all(CHUNKED).await.unwrap()).await;
    drop(exchange.begun().await);
    exchange.far.write_all(b"1\r\na\r\n").await.unwrap();
    assert!(matches!(exchange.exchange.await.err(), Some(Failure::Left(_))));
}

#[tokio::test]
async fn a_failure_that_the_server_reports_does_not_begin_a_stream() {
    let mut exchange = Streaming::begin("", None);
    exchange
        .beside(async |far| {
            let head = b"HTTP/1.1 500 Error\r\nx-isolab-failure: threw:no\r\ncontent-length: 1\r\n\r\n";
            far.write_all(head).await.unwrap();
            // The exchange reads the head alone.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            far.write_all(b"x").await.unwrap();
        })
        .await;
    let (answer, kept) = exchange.exchange.await.unwrap();
    assert_eq!((answer.err(), kept.is_some()), (Some(Cause::Threw("no".into())), true));
}
