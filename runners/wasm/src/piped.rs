//! The streams of a request between an instance and its host.
//!
//! The instance's side lies in its store. The outlet, where the answer begins, belongs to the thread of
//! the invocation: the porter stands there, and gives the instance a writer for its head.

use bytes::Bytes;
use futures_util::StreamExt;
use http::Response;
use isolab_core::streams::{Broken, Outlet, Pieces, Refusal as Refused, Writer};
use isolab_core::wasi::{End, Errno, Refusal};
use isolab_core::{Cause, message, wire};
use tokio::sync::oneshot;

/// The most bytes of a head, with the length before it.
const HEAD_BYTES: usize = 4 + message::HEADERS_BYTES * 2;

/// The streams of the request that an instance answers.
pub(crate) struct Piped {
    pub(crate) input: Input,
    pub(crate) output: Output,
}

/// The body of a request.
#[derive(Default)]
pub(crate) struct Input {
    /// Bytes that have arrived and that the guest has not read.
    arrived: Bytes,
    rest: Option<Pieces>,
    broken: Option<Broken>,
}

/// An answer.
pub(crate) enum Output {
    /// The answer has not begun: the bytes of its head so far.
    Head { bytes: Vec<u8>, door: Option<Door> },
    /// It has begun.
    Body(Writer),
}

/// Something that waits.
pub(crate) enum Step {
    /// Until bytes have arrived.
    Fill,
    /// Until these bytes have been passed on.
    Push(Bytes),
}

/// The guest's side of the way to the outlet, which belongs to the thread of the invocation.
pub(crate) struct Door {
    head: oneshot::Sender<Response<()>>,
    writer: oneshot::Receiver<Writer>,
}

/// The other side: begins the answer when the guest has written its head.
pub(crate) struct Porter {
    head: oneshot::Receiver<Response<()>>,
    writer: oneshot::Sender<Writer>,
}

impl Porter {
    /// Ends with the guest's side at the latest.
    pub(crate) async fn serve(self, outlet: &Outlet, limit_bytes: u64) {
        if let Ok(head) = self.head.await {
            // A guest that has ended needs no writer.
            let _ = self.writer.send(outlet.begin(head, limit_bytes));
        }
    }
}

impl Piped {
    pub(crate) fn new(first: Bytes, rest: Option<Pieces>) -> (Self, Porter) {
        let (head_sender, head) = oneshot::channel();
        let (writer, writer_receiver) = oneshot::channel();
        let door = Some(Door { head: head_sender, writer: writer_receiver });
        let output = Output::Head { bytes: Vec::new(), door };
        (Self { input: Input::new(first, rest), output }, Porter { head, writer })
    }

    /// The end of a guest that returned with this complaint.
    pub(crate) fn end(self, complaint: Option<String>) -> Result<(), Cause> {
        match (complaint, self.input.broken, self.output) {
            (Some(text), Some(broken), _) => Err(Cause::Threw(format!("{text}: {broken}"))),
            (Some(text), None, _) => Err(Cause::Threw(text)),
            (None, _, Output::Head { .. }) => {
                Err(Cause::InvalidResponse("the function ended and had not begun its answer".into()))
            }
            (None, _, Output::Body(_)) => Ok(()),
        }
    }

    /// # Errors
    /// If a stream has broken off, the client has left, or the guest breaks a rule.
    pub(crate) async fn step(&mut self, step: Step) -> Result<(), Refusal> {
        match step {
            Step::Fill => self.input.fill().await,
            Step::Push(piece) => self.output.push(piece).await,
        }
    }
}

impl Input {
    /// A body with these first bytes.
    pub(crate) fn new(first: Bytes, rest: Option<Pieces>) -> Self {
        Self { arrived: first, rest, broken: None }
    }

    /// Takes bytes that have arrived, `most` of them at most.
    pub(crate) fn take(&mut self, most: usize) -> Bytes {
        self.arrived.split_to(self.arrived.len().min(most))
    }

    /// Waits until bytes have arrived, or the body has ended.
    ///
    /// # Errors
    /// If the stream has broken off.
    pub(crate) async fn fill(&mut self) -> Result<(), Refusal> {
        while self.arrived.is_empty() && self.broken.is_none() {
            let Some(rest) = &mut self.rest else { return Ok(()) };
            match rest.next().await {
                Some(Ok(piece)) => self.arrived = piece,
                Some(Err(broken)) => self.broken = Some(broken),
                None => self.rest = None,
            }
        }
        if self.arrived.is_empty() && self.broken.is_some() { Err(Errno::Io.into()) } else { Ok(()) }
    }
}

impl Output {
    /// Takes bytes of the answer, and waits while its client is slow.
    ///
    /// # Errors
    /// If the client has left, or the guest breaks a rule.
    pub(crate) async fn push(&mut self, mut piece: Bytes) -> Result<(), Refusal> {
        if let Self::Head { bytes, door } = self {
            bytes.extend_from_slice(&piece);
            let Some((head, rest)) = head(bytes).map_err(|cause| Refusal::End(End::Cause(cause)))? else {
                return Ok(());
            };
            let gone = || Refusal::End(End::Cause(Cause::Internal("nobody takes the answer".into())));
            let Door { head: sender, writer } = door.take().ok_or_else(gone)?;
            sender.send(head).map_err(|_| gone())?;
            *self = Self::Body(writer.await.map_err(|_| gone())?);
            piece = rest;
        }
        let Self::Body(writer) = self else { return Ok(()) };
        writer.write(piece).await.map_err(|refused| match refused {
            Refused::Gone => Errno::Pipe.into(),
            Refused::Cause(cause) => Refusal::End(End::Cause(cause)),
        })
    }
}

/// The head at the beginning of an answer, and the bytes of the body behind it; `None` if more of
/// the head has to come.
fn head(bytes: &[u8]) -> Result<Option<(Response<()>, Bytes)>, Cause> {
    let Some((len, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let len = u32::from_le_bytes(*len) as usize;
    if len > HEAD_BYTES {
        return Err(Cause::InvalidResponse(format!("its head is larger than {HEAD_BYTES} bytes")));
    }
    let Some((head, body)) = rest.split_at_checked(len) else { return Ok(None) };
    // A head has no body, and no function throws by it.
    let response = wire::decode_response(head, 0).map_err(|cause| match cause {
        Cause::InvalidResponse(reason) => Cause::InvalidResponse(reason),
        _ => Cause::InvalidResponse("its head is not that of an answer".into()),
    })?;
    Ok(Some((response.map(|_| ()), Bytes::copy_from_slice(body))))
}
