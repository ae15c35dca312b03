//! HTTP/1.1 as a client needs it over one kept connection: a request in one piece or in
//! chunks, a response as it arrives.
//!
//! Used for the way into a container and by the load generator, where a general
//! client's pool, tasks and channels would be measured along. It does no I/O:
//!
//! ```ignore
//! write_request(&request, &mut out);      // one write
//! receiver.reset();
//! let head = loop {
//!     let read = stream.read(receiver.space())?;
//!     if let Some(head) = receiver.advance(read, &method, |name, value| …)? {
//!         break head;
//!     }
//! };
//! let body = receiver.body();
//! ```
//!
//! A caller that passes a body on while it arrives looks at `receiver.head()`, and takes each
//! piece with `receiver.take_body()`.
//!
//! - `request`: a request as bytes.
//! - `head`: a response's head, bounded, in time that grows with its length alone.
//! - `body`: a response's body in each of its framings.
//! - `receiver`: both, out of a reused buffer.

mod body;
mod head;
mod receiver;
mod request;

pub use body::Framing;
pub use head::Head;
pub use receiver::Receiver;
pub use request::{LAST_CHUNK, write_chunk, write_request, write_streamed_request};

/// Headers that a head may have.
pub const MAX_HEADERS: usize = 100;
/// Bytes that a head may have, together with the interim responses before it; also the
/// bytes of a chunk's line, and of all trailers together.
pub const MAX_HEAD_BYTES: usize = 64 << 10;

/// Headers that speak of one connection only (RFC 9110, §7.6.1), and `expect`,
/// which asks for an answer that nobody would wait for.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header, in lower case, belongs to one connection and is not passed on.
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// Why bytes are not an HTTP/1.1 response, or not one that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The status line or a header is malformed.
    #[error("its head is malformed: {0}")]
    Head(httparse::Error),
    /// The head has more headers than [`MAX_HEADERS`].
    #[error("its head has more than {MAX_HEADERS} headers")]
    TooManyHeaders,
    /// The head, a chunk's line, or the trailers are longer than [`MAX_HEAD_BYTES`].
    #[error("its head, a chunk's line or its trailers exceed {MAX_HEAD_BYTES} bytes")]
    TooLong,
    /// The body is longer than the limit that the receiver was given, in bytes.
    #[error("its body exceeds {0} bytes")]
    BodyTooLarge(u64),
    /// Lengths that contradict each other, or a length that is not a number.
    #[error("its length is malformed")]
    Length,
    /// A chunk's size or end is malformed.
    #[error("a chunk of its body is malformed")]
    Chunk,
    /// 101: the peer speaks something else from here on.
    #[error("it switches protocols")]
    Upgrade,
    /// The connection ended in the middle.
    #[error("it ends in the middle")]
    Truncated,
}

impl From<httparse::Error> for ParseError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            error => Self::Head(error),
        }
    }
}
