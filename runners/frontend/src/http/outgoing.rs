//! The body of a response, as hyper writes it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use isolab_core::streams::Broken;

use super::connection::InWork;
use crate::answer::Flow;

/// The body of a response: whole, or pieces that leave as the function makes them.
pub(crate) enum AnswerBody {
    Whole(Full<Bytes>),
    /// Boxed, because most answers are whole. Its request is in work until the last piece.
    Flow(Box<(Flow, InWork)>),
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(whole) => {
                Pin::new(whole).poll_frame(context).map_err(|never| -> Broken { match never {} })
            }
            Self::Flow(flow) => flow.0.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Flow(_) => SizeHint::default(),
        }
    }
}
