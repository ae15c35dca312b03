//! Bodies of outbound requests and of their answers.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::BodyStream;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use isolab_core::function::Host;
use isolab_core::streams::{Broken, Pieces};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::{self, Error};

/// The body of an outbound request.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Its pieces, which come while it is sent. Its length is not known.
    Pieces(Pieces),
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Pieces(pieces) => {
                pieces.poll_next_unpin(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// The pieces of an answer's body, `None` if there are none to come. They hold the permit of their
/// request to the end, if nothing else does.
pub(crate) fn pieces(body: Incoming, host: Host, held: Option<OwnedSemaphorePermit>) -> Option<Pieces> {
    if body.is_end_stream() {
        return None;
    }
    let pieces = BodyStream::new(body).filter_map(move |frame| {
        let _held = &held;
        ready(match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => {
                let broken = Error::BrokeOff { host: host.clone(), reason: error::reason(&error) };
                Some(Err(Broken(broken.to_string())))
            }
        })
    });
    Some(pieces.boxed())
}
