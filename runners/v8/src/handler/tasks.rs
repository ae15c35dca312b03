//! Work outside of the isolate that a request waits for: outbound requests, and pieces of bodies.
//!
//! A task is a future that belongs to one request and is polled by its invocation. The isolate gets
//! its outcome in a later turn of that request. All that a request holds here ends with it.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use isolab_core::streams::{Broken, Outlet, PIECE_BYTES, Pieces, Refusal, Writer};
use isolab_core::{Cause, Response};
use isolab_outbound::Error;
use tokio::sync::mpsc;

use crate::isolate::Held;

/// The most outbound requests that a request may have at a time: those whose answer has not come,
/// or whose body is neither read to its end nor cancelled.
pub(super) const MOST_FETCHES: usize = 256;

/// The number of a body or an upload, unique in its isolate.
pub(super) type BodyId = u32;

/// The answer to an outbound request.
pub(super) type Answered = Result<http::Response<Option<Pieces>>, Error>;

/// Work that a request waits for.
pub(super) type Task = Pin<Box<dyn Future<Output = Done>>>;

/// A task that has ended, and the function that hears of it.
pub(super) struct Done {
    pub(super) callback: v8::Global<v8::Function>,
    pub(super) outcome: Outcome,
}

/// The outcome of a task.
pub(super) enum Outcome {
    /// An outbound request is answered, or has failed.
    Answered(Answered, Fetch),
    /// The next piece of a body, or its end.
    Piece(Reading, Option<Result<Bytes, Broken>>),
    /// A piece of the answer is passed on, or refused.
    Written(Sink, Result<(), Refusal>),
    /// A piece of an upload is passed on; false if nobody takes it.
    Sent(bool),
}

/// A body of which a piece is read.
pub(super) struct Reading {
    pub(super) number: BodyId,
    pub(super) body: Body,
    /// Answers a `Uint8Array` of the length that it is given.
    pub(super) allocate: v8::Global<v8::Function>,
}

/// A body of which the request reads pieces.
pub(super) struct Body {
    pub(super) pieces: Pieces,
    /// Of an outbound request, which ends with the body of its answer.
    pub(super) _fetch: Option<Fetch>,
}

/// Counts one outbound request until it is dropped.
pub(super) struct Fetch {
    open: Rc<Cell<usize>>,
    _memory: Held,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

/// The sender of an upload's pieces.
pub(super) type Upload = mpsc::Sender<Result<Bytes, Broken>>;

/// Where the pieces of an answer go.
pub(super) enum Sink {
    /// To the client.
    Client(Writer),
    /// Into one response.
    Whole { head: http::Response<()>, body: BytesMut, limit_bytes: u64 },
}

impl Sink {
    /// Begins an answer. Without an outlet it is collected.
    pub(super) fn new(head: http::Response<()>, outlet: Option<&Outlet>, limit_bytes: u64) -> Self {
        match outlet {
            Some(outlet) => Self::Client(outlet.begin(head, limit_bytes)),
            None => Self::Whole { head, body: BytesMut::new(), limit_bytes },
        }
    }

    /// Takes a piece. Waits while the client is slow.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Refusal> {
        match self {
            Self::Client(writer) if bytes.len() <= PIECE_BYTES => writer.write(bytes.into()).await,
            Self::Client(writer) => {
                // Copied, so that nothing large outlives this call, in which it is counted.
                for piece in bytes.chunks(PIECE_BYTES) {
                    writer.write(Bytes::copy_from_slice(piece)).await?;
                }
                Ok(())
            }
            Self::Whole { body, limit_bytes, .. } => {
                if (body.len() + bytes.len()) as u64 > *limit_bytes {
                    return Err(Refusal::Cause(Cause::ResponseTooLarge(*limit_bytes)));
                }
                body.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    /// The response, unless its client has it already.
    pub(super) fn end(self) -> Option<Response> {
        match self {
            Self::Client(_) => None,
            Self::Whole { head, body, .. } => Some(head.map(|()| body.freeze())),
        }
    }
}

/// The tasks of one request, and the bodies that they read and write.
#[derive(Default)]
pub(super) struct Tasks {
    running: FuturesUnordered<Task>,
    done: VecDeque<Done>,
    bodies: HashMap<BodyId, Body>,
    uploads: HashMap<BodyId, Upload>,
    sink: Option<Sink>,
    fetches: Rc<Cell<usize>>,
}

impl Tasks {
    /// Tasks whose outcome the isolate does not have yet.
    pub(super) fn len(&self) -> usize {
        self.running.len() + self.done.len()
    }

    /// Whether the isolate has an outcome to hear of.
    pub(super) fn has_news(&self) -> bool {
        !self.done.is_empty()
    }

    pub(super) fn start(&mut self, task: Task) {
        self.running.push(task);
    }

    /// Moves the tasks on. Ready once the isolate has an outcome to hear of.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.running.is_empty()
            && let Poll::Ready(Some(done)) = self.running.poll_next_unpin(context)
        {
            self.done.push_back(done);
        }
        if self.has_news() { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(super) fn take_done(&mut self) -> Option<Done> {
        self.done.pop_front()
    }

    /// Counts an outbound request. `None` if there are [`MOST_FETCHES`].
    pub(super) fn open_fetch(&self, memory: Held) -> Option<Fetch> {
        if self.fetches.get() >= MOST_FETCHES {
            return None;
        }
        self.fetches.set(self.fetches.get() + 1);
        Some(Fetch { open: Rc::clone(&self.fetches), _memory: memory })
    }

    pub(super) fn put_body(&mut self, id: BodyId, body: Body) {
        self.bodies.insert(id, body);
    }

    /// Takes a body, to read its next piece or to drop it. `None` if it is at its end, or is read
    /// by another task.
    pub(super) fn take_body(&mut self, id: BodyId) -> Option<Body> {
        self.bodies.remove(&id)
    }

    pub(super) fn put_upload(&mut self, id: BodyId, upload: Upload) {
        self.uploads.insert(id, upload);
    }

    pub(super) fn upload(&self, id: BodyId) -> Option<Upload> {
        self.uploads.get(&id).cloned()
    }

    pub(super) fn take_upload(&mut self, id: BodyId) -> Option<Upload> {
        self.uploads.remove(&id)
    }

    pub(super) fn put_sink(&mut self, sink: Sink) {
        self.sink = Some(sink);
    }

    /// Takes the place where the answer goes. `None` before the answer has begun, and while a piece
    /// is written.
    pub(super) fn take_sink(&mut self) -> Option<Sink> {
        self.sink.take()
    }
}
