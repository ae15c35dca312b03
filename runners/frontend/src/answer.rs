//! An answer on its way from an instance to its client: whole, or begun.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::body::Frame;
use isolab_core::streams::Broken;
use isolab_core::{Error, Response};
use tokio::sync::{mpsc, oneshot};

use crate::route::Loss;

/// The result of an exchange, for the thread of the connection.
#[derive(Debug)]
pub(crate) struct Computed {
    pub(crate) answered: Result<Answered, Error>,
    pub(crate) bill: Option<HeaderValue>,
    pub(crate) times: Times,
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Answered {
    Whole(Response),
    /// Its head, and the pieces that follow.
    Begun(http::Response<()>, Flow),
}

/// The times of an exchange, so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// How long the start took, if the instance was started for this request.
    pub(crate) started: Option<Duration>,
    /// How long the invocation took until it ended or its answer began.
    pub(crate) invoked: Option<Duration>,
    /// The waiting part of that, if there was any.
    pub(crate) waited: Option<Duration>,
    /// The instance's id, and how often it has been used.
    pub(crate) instance: Option<(u64, u64)>,
}

/// The client's end of an answer that has begun.
#[derive(Debug)]
pub(crate) struct Flow {
    pieces: mpsc::Receiver<Bytes>,
    /// The trailers of a whole answer; nothing if it is not whole.
    end: oneshot::Receiver<HeaderMap>,
    has_ended: bool,
    /// The news that the thread of the function is lost, which will never send an end.
    pub(crate) lost: Option<oneshot::Receiver<Loss>>,
}

/// The end of an answer that has begun, as its invocation knows it. Dropped without
/// [`End::whole`], the client's connection breaks off.
pub(crate) struct End(oneshot::Sender<HeaderMap>);

/// The two ends of an answer that has begun.
pub(crate) fn flow(pieces: mpsc::Receiver<Bytes>) -> (Flow, End) {
    let (sender, end) = oneshot::channel();
    (Flow { pieces, end, has_ended: false, lost: None }, End(sender))
}

impl End {
    /// All pieces have been written.
    pub(crate) fn whole(self, trailers: HeaderMap) {
        // The client may have left.
        let _ = self.0.send(trailers);
    }

    /// Returns when the client has left.
    pub(crate) async fn client_left(&mut self) {
        self.0.closed().await;
    }
}

impl Flow {
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(Some(piece)) = self.pieces.poll_recv(context) {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(Poll::Ready(lost)) = self.lost.as_mut().map(|lost| Pin::new(lost).poll(context)) {
            // No news comes any more from a thread that has ended its request.
            self.lost = None;
            if lost.is_ok() {
                self.has_ended = true;
                return Poll::Ready(Some(Err(Broken("the thread of the function is lost".into()))));
            }
        }
        let end = ready!(Pin::new(&mut self.end).poll(context));
        // The last pieces may have come between the two looks.
        if let Ok(piece) = self.pieces.try_recv() {
            let (sender, receiver) = oneshot::channel();
            if let Ok(trailers) = end {
                let _ = sender.send(trailers);
            }
            self.end = receiver;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        self.has_ended = true;
        match end {
            Ok(trailers) if trailers.is_empty() => Poll::Ready(None),
            Ok(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Err(_) => Poll::Ready(Some(Err(Broken("the function broke its answer off".into())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use isolab_core::Phase;

    use super::*;

    async fn next(flow: &mut Flow) -> Option<Result<Frame<Bytes>, Broken>> {
        poll_fn(|context| flow.poll_frame(context)).await
    }

    #[tokio::test]
    async fn pieces_come_before_the_end_and_its_trailers() {
        let (sender, pieces) = mpsc::channel(2);
        let (mut flow, end) = flow(pieces);
        sender.send("a".into()).await.unwrap();
        sender.send("b".into()).await.unwrap();
        drop(sender);
        let trailers = HeaderMap::from_iter([(http::header::VIA, HeaderValue::from_static("x"))]);
        end.whole(trailers.clone());
        for piece in ["a", "b"] {
            assert_eq!(next(&mut flow).await.unwrap().unwrap().into_data().unwrap(), piece);
        }
        assert_eq!(next(&mut flow).await.unwrap().unwrap().into_trailers().unwrap(), trailers);
        assert!(next(&mut flow).await.is_none());
    }

    #[tokio::test]
    async fn an_answer_whose_invocation_failed_is_broken() {
        let (sender, pieces) = mpsc::channel(2);
        let (mut flow, end) = flow(pieces);
        sender.send("a".into()).await.unwrap();
        drop((sender, end));
        assert!(next(&mut flow).await.unwrap().is_ok());
        assert!(next(&mut flow).await.unwrap().is_err());
        assert!(next(&mut flow).await.is_none());
    }

    #[tokio::test]
    async fn an_answer_goes_on_when_its_thread_has_no_more_news() {
        let (sender, pieces) = mpsc::channel(2);
        let (mut flow, end) = flow(pieces);
        let (news, lost) = oneshot::channel();
        flow.lost = Some(lost);
        drop(news);
        for piece in ["a", "b"] {
            assert!(futures_util::poll!(pin!(next(&mut flow))).is_pending());
            sender.send(piece.into()).await.unwrap();
            assert!(next(&mut flow).await.unwrap().is_ok());
        }
        drop(sender);
        end.whole(HeaderMap::new());
        assert!(next(&mut flow).await.is_none());
    }

    #[tokio::test]
    async fn an_answer_on_a_lost_thread_is_broken() {
        let (_pieces, pieces) = mpsc::channel(2);
        let (mut flow, _end) = flow(pieces);
        let (sender, lost) = oneshot::channel();
        flow.lost = Some(lost);
        sender.send(Loss { phase: Phase::Invoke, is_guilty: true }).unwrap();
        assert!(next(&mut flow).await.unwrap().is_err());
    }
}
