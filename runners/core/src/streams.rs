//! Bodies that flow: a request whose body arrives while the function runs, and an answer that
//! begins before it is whole.
//!
//! Most bodies are small and in one piece, and never come here. The front end makes [`Streams`] for
//! a function that [can stream](crate::Prepared::streams), and the instance takes what it needs.
//! Either side may be on another thread. A side that is slow holds up the other: [`Writer::write`]
//! waits until the client has taken the pieces before, and a client's pieces stay in its socket
//! until the function asks for them.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::Response;
use tokio::sync::mpsc;

use crate::Cause;

/// The largest piece that is passed on, in bytes. Larger ones are cut.
pub const PIECE_BYTES: usize = 64 << 10;

/// Pieces of an answer between the instance and its client. With the one that the client is sent
/// and the one that the instance holds, a stream takes about 256 KiB at most.
const PIECES: usize = 2;

/// Why a stream ended before it was whole, as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

/// The pieces of a body, in order. They end with [`None`], or with an error.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// The streams of one request, for its instance.
#[derive(Default)]
pub struct Streams {
    /// The pieces of the request's body that follow the bytes in the request; `None` if the body is
    /// whole.
    pub rest: Option<Pieces>,
    /// Where an answer goes that begins before it is whole.
    pub outlet: Rc<Outlet>,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("rest", &self.rest.is_some()).finish_non_exhaustive()
    }
}

/// An answer that has begun: its head, and the pieces that come from a [`Writer`].
#[derive(Debug)]
pub struct Begun {
    /// Status and headers.
    pub head: Response<()>,
    /// The pieces. Their end does not tell whether the answer is whole: the invocation's result
    /// does.
    pub pieces: mpsc::Receiver<Bytes>,
}

/// Where an instance begins its answer. The caller of the instance looks there whenever the
/// invocation waits.
#[derive(Debug, Default)]
pub struct Outlet(RefCell<Option<Begun>>);

impl Outlet {
    /// Begins the answer with its head. Its body may have `limit_bytes`. The client gets the head
    /// as soon as the invocation waits.
    ///
    /// # Panics
    /// If the answer has begun before.
    pub fn begin(&self, head: Response<()>, limit_bytes: u64) -> Writer {
        let (pieces, receiver) = mpsc::channel(PIECES);
        let before = self.0.borrow_mut().replace(Begun { head, pieces: receiver });
        assert!(before.is_none(), "an answer begins once");
        Writer { pieces, limit_bytes, left_bytes: limit_bytes }
    }

    /// Takes the answer, if it has begun and nobody has taken it.
    pub fn take(&self) -> Option<Begun> {
        self.0.take()
    }
}

/// The instance's end of an answer that has begun.
#[derive(Debug)]
pub struct Writer {
    pieces: mpsc::Sender<Bytes>,
    limit_bytes: u64,
    left_bytes: u64,
}

/// Why a piece was not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The client has left.
    Gone,
    /// The answer is beyond its limit.
    Cause(Cause),
}

impl Writer {
    /// Passes bytes on. Waits while the client is slow.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), Refusal> {
        let left = self.left_bytes.checked_sub(bytes.len() as u64);
        self.left_bytes = left.ok_or(Refusal::Cause(Cause::ResponseTooLarge(self.limit_bytes)))?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
            self.pieces.send(piece).await.map_err(|_| Refusal::Gone)?;
        }
        Ok(())
    }
}

/// Takes a whole body out of its first bytes and the pieces that follow.
///
/// # Errors
/// If the stream breaks, or the body has more than `limit_bytes`.
pub async fn collect(first: Bytes, rest: Option<Pieces>, limit_bytes: u64) -> Result<Bytes, Broken> {
    let Some(mut rest) = rest else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    while let Some(piece) = rest.next().await {
        let piece = piece?;
        if (whole.len() + piece.len()) as u64 > limit_bytes {
            return Err(Broken(format!("the body is larger than {limit_bytes} bytes")));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use futures_util::{poll, stream};

    use super::*;

    fn begun(limit_bytes: u64) -> (Writer, Begun) {
        let outlet = Outlet::default();
        let writer = outlet.begin(Response::new(()), limit_bytes);
        (writer, outlet.take().expect("the answer has begun"))
    }

    #[tokio::test]
    async fn a_writer_waits_for_a_slow_client_and_cuts_large_pieces() {
        let (mut writer, mut begun) = begun(u64::MAX);
        let bytes = Bytes::from(vec![7; 5 * PIECE_BYTES + 1]);
        let mut writing = Box::pin(writer.write(bytes.clone()));
        assert!(poll!(&mut writing).is_pending());
        assert_eq!(begun.pieces.len(), PIECES);
        let reading = async {
            let mut read = 0;
            while read < bytes.len() {
                let piece = begun.pieces.recv().await.expect("the writer goes on");
                assert!(piece.len() <= PIECE_BYTES);
                read += piece.len();
            }
        };
        let (written, ()) = tokio::join!(writing, reading);
        assert_eq!(written, Ok(()));
    }

    #[tokio::test]
    async fn a_writer_ends_at_its_limit_and_when_the_client_leaves() {
        let (mut writer, begun) = begun(3);
        assert_eq!(writer.write("abc".into()).await, Ok(()));
        let refused = writer.write("d".into()).await;
        assert_eq!(refused, Err(Refusal::Cause(Cause::ResponseTooLarge(3))));
        drop(begun);
        let (mut writer, begun) = self::begun(3);
        drop(begun);
        assert_eq!(writer.write("a".into()).await, Err(Refusal::Gone));
    }

    #[tokio::test]
    async fn a_body_is_collected_within_its_limit() {
        let pieces = |texts: &'static [&'static str]| -> Option<Pieces> {
            Some(stream::iter(texts).map(|text| Ok(Bytes::from(*text))).boxed())
        };
        assert_eq!(collect("a".into(), None, 0).await, Ok("a".into()));
        assert_eq!(collect("a".into(), pieces(&["b", "c"]), 3).await, Ok("abc".into()));
        assert!(collect("a".into(), pieces(&["b", "c"]), 2).await.is_err());
        let broken: Pieces = stream::iter([Err(Broken("it broke off".into()))]).boxed();
        assert_eq!(collect(Bytes::new(), Some(broken), 9).await, Err(Broken("it broke off".into())));
    }
}
