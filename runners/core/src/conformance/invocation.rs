//! One invocation with streams, step by step, for tests of executors.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{MaybeDone, maybe_done};
use http::{HeaderMap, Method, Uri};

use crate::streams::{Begun, Outlet, Pieces, Streams};
use crate::{Cause, Error, Instance, Laps, Request, Response};

/// No step takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

type Running<'a> = Pin<Box<dyn Future<Output = Result<Option<Response>, Error>> + 'a>>;

/// One invocation with streams, and its answer as far as it is known.
///
/// # Panics
/// Each step does, if something else happens or nothing within a minute.
pub struct Invocation<'a> {
    running: MaybeDone<Running<'a>>,
    outlet: Rc<Outlet>,
}

impl<'a> Invocation<'a> {
    /// Sends `GET`, or `POST` if there are further pieces of the body than the first one.
    pub fn begin(
        instance: &'a dyn Instance,
        path: &'static str,
        first: &'static str,
        rest: Option<Pieces>,
    ) -> Self {
        let method = if rest.is_some() { Method::POST } else { Method::GET };
        let request = Request::new(method, Uri::from_static(path), HeaderMap::new(), first.into());
        let streams = Streams { rest, ..Streams::default() };
        let outlet = Rc::clone(&streams.outlet);
        let running: Running<'a> =
            Box::pin(async move { instance.stream(request, streams, &mut Laps::begin()).await });
        Self { running: maybe_done(running), outlet }
    }

    /// Runs until the answer begins, or is there as a whole.
    pub async fn answer(&mut self) -> Result<Begun, Result<Response, Error>> {
        let answer = poll_fn(|context| {
            let state = self.running.poll_unpin(context);
            match (self.outlet.take(), state) {
                (Some(begun), _) => Poll::Ready(Ok(begun)),
                (None, Poll::Ready(())) => Poll::Ready(Err(self
                    .ended()
                    .map(|response| response.expect("an answer has begun or is whole")))),
                (None, Poll::Pending) => Poll::Pending,
            }
        });
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer begins")
    }

    /// Runs until the answer begins.
    pub async fn begun(&mut self) -> Begun {
        self.answer().await.unwrap_or_else(|whole| panic!("no stream, but {whole:?}"))
    }

    /// Runs until the answer is there as a whole.
    pub async fn whole(mut self) -> Result<Response, Error> {
        self.answer().await.expect_err("a whole answer")
    }

    /// Runs until the next piece.
    pub async fn piece(&mut self, begun: &mut Begun) -> Bytes {
        let piece = async {
            tokio::select! {
                biased;
                piece = begun.pieces.recv() => piece,
                () = &mut self.running => begun.pieces.try_recv().ok(),
            }
        };
        let piece = tokio::time::timeout(PATIENCE, piece).await.expect("a piece arrives");
        piece.unwrap_or_else(|| panic!("no piece, but {:?}", self.ended()))
    }

    /// Runs until something else has happened, and reads no piece meanwhile.
    pub async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let both = async {
            tokio::select! {
                biased;
                happened = other => Some(happened),
                () = &mut self.running => None,
            }
        };
        let happened = tokio::time::timeout(PATIENCE, both).await.expect("it happens");
        happened.unwrap_or_else(|| panic!("it ends first: {:?}", self.ended()))
    }

    /// Runs to the end, with the bytes that were left.
    pub async fn end(mut self, begun: &mut Begun) -> (Result<(), Cause>, Vec<u8>) {
        let mut bytes = Vec::new();
        let reading = async {
            while let Some(piece) = begun.pieces.recv().await {
                bytes.extend_from_slice(&piece);
            }
        };
        let both = async { tokio::join!(&mut self.running, reading) };
        tokio::time::timeout(PATIENCE, both).await.expect("it ends");
        (self.ended().map(|whole| assert!(whole.is_none())).map_err(|error| error.cause), bytes)
    }

    /// How it has ended.
    fn ended(&mut self) -> Result<Option<Response>, Error> {
        Pin::new(&mut self.running).take_output().expect("it has ended")
    }
}
