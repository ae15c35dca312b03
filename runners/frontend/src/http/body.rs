//! Receiving the body of a request, whole or piece by piece, within bounds of size and time.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::header::EXPECT;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use isolab_core::streams::{Broken, Pieces};
use tokio::time::{Instant, Sleep};

use super::connection::InWork;
use super::problem::{self, Problem};
use crate::config::Bounds;

/// How long the rest of a refused body is received.
const LINGER: Duration = Duration::from_secs(2);

/// The most bytes of a streamed body that are received after nobody wants them.
const DISCARDED_BYTES: u64 = 16 << 20;

/// The bytes of all bodies that the server holds.
#[derive(Debug, Default)]
pub(crate) struct HeldBodies(AtomicU64);

/// A body, which counts as held until `held` is dropped.
pub(crate) struct Received<'a> {
    pub(crate) bytes: Bytes,
    pub(crate) held: Option<Held<'a>>,
}

/// The part of one body.
pub(crate) struct Held<'a> {
    all: &'a HeldBodies,
    bytes: u64,
}

impl Held<'_> {
    /// Counts more bytes, unless all bodies together would exceed the bound.
    fn grow(&mut self, more: usize, bounds: &Bounds) -> Result<(), Problem> {
        let more = more as u64;
        let before = self.all.0.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        if before + more <= bounds.bodies_bytes {
            return Ok(());
        }
        let detail = format!("the bodies of all requests exceed {} bytes; try again", bounds.bodies_bytes);
        Err(Problem::new(&problem::OVER_CAPACITY, detail))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Receives the body. A request without one, the usual case, costs nothing.
pub(crate) async fn receive<'a>(
    body: &mut Incoming,
    bounds: &Bounds,
    all: &'a HeldBodies,
) -> Result<Received<'a>, Problem> {
    if body.is_end_stream() {
        return Ok(Received { bytes: Bytes::new(), held: None });
    }
    // The hint is `Content-Length`: a body that is announced as too large is not read.
    if body.size_hint().lower() > bounds.body_bytes {
        return Err(too_large(bounds.body_bytes));
    }
    let collecting = collect(body, bounds, Held { all, bytes: 0 });
    Box::pin(tokio::time::timeout(bounds.body_wait, collecting)).await.unwrap_or_else(|_| {
        let detail = format!("the whole body did not arrive within {:?}", bounds.body_wait);
        Err(Problem::new(&problem::BODY_TIMEOUT, detail))
    })
}

async fn collect<'a>(
    body: &mut Incoming,
    bounds: &Bounds,
    mut held: Held<'a>,
) -> Result<Received<'a>, Problem> {
    let limit = usize::try_from(bounds.body_bytes).unwrap_or(usize::MAX);
    let mut body = Limited::new(body, limit);
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                too_large(bounds.body_bytes)
            } else {
                Problem::new(&problem::BAD_REQUEST, format!("the body broke off: {error}"))
            }
        })?;
        // Trailers are left out: no function sees them.
        let Ok(data) = frame.into_data() else { continue };
        held.grow(data.len(), bounds)?;
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            // A body in one piece is not copied.
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    let bytes = if whole.is_empty() { first } else { whole.freeze() };
    Ok(Received { bytes, held: Some(held) })
}

/// The largest body that a function that can stream gets whole, in bytes: a small body costs no
/// more than it does in one piece.
const WHOLE_BYTES: u64 = 64 << 10;

/// A body for a function that can stream.
pub(crate) struct Opened {
    /// A small body, whole.
    pub(crate) first: Bytes,
    /// The pieces of a larger one.
    pub(crate) rest: Option<Pieces>,
    /// Why the body broke, once it has.
    pub(crate) broke: Arc<OnceLock<Broke>>,
}

/// Why a body is not whole.
#[derive(Clone, Debug)]
pub(crate) enum Broke {
    /// It has more than this number of bytes.
    TooLarge(u64),
    /// Nothing arrived for this time.
    Silent(Duration),
    /// The client left, or broke a rule of HTTP.
    Off(String),
}

impl Broke {
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::TooLarge(limit_bytes) => too_large(*limit_bytes),
            Self::Silent(wait) => {
                Problem::new(&problem::BODY_TIMEOUT, format!("no piece of the body arrived within {wait:?}"))
            }
            Self::Off(reason) => Problem::new(&problem::BAD_REQUEST, format!("the body broke off: {reason}")),
        }
    }
}

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(limit_bytes) => write!(f, "the body is larger than {limit_bytes} bytes"),
            Self::Silent(wait) => write!(f, "no piece of the body arrived within {wait:?}"),
            Self::Off(reason) => write!(f, "the body broke off: {reason}"),
        }
    }
}

/// Receives a small body, and begins with a larger one, which may have `limit_bytes`. A small body
/// is not counted among those that the server holds: a connection holds more in its buffers.
pub(crate) async fn open(
    mut body: Incoming,
    headers: &HeaderMap,
    limit_bytes: u64,
    bounds: &Bounds,
    all: &HeldBodies,
) -> Result<Opened, Problem> {
    let broke = Arc::<OnceLock<Broke>>::default();
    let size = body.size_hint();
    if size.upper().is_some_and(|bytes| bytes <= WHOLE_BYTES.min(limit_bytes)) {
        let first = receive(&mut body, bounds, all).await?.bytes;
        return Ok(Opened { first, rest: None, broke });
    }
    // A client that waits for `100 Continue` sends nothing until somebody asks for its body.
    let is_held_back = headers.contains_key(EXPECT);
    if size.lower() > limit_bytes {
        if !is_held_back {
            discard(body, bounds.body_bytes, None);
        }
        return Err(too_large(limit_bytes));
    }
    let rest = Rest {
        body: Some(body),
        is_held_back,
        left_bytes: limit_bytes,
        limit_bytes,
        wait: bounds.body_wait,
        alarm: Box::pin(tokio::time::sleep(bounds.body_wait)),
        broke: Arc::clone(&broke),
    };
    Ok(Opened { first: Bytes::new(), rest: Some(Box::pin(rest)), broke })
}

/// The pieces of a body. If nobody wants the rest, it is discarded for a short time.
struct Rest {
    /// `None` after its end.
    body: Option<Incoming>,
    /// Whether the client sends nothing yet.
    is_held_back: bool,
    left_bytes: u64,
    limit_bytes: u64,
    /// The longest time without a piece.
    wait: Duration,
    alarm: Pin<Box<Sleep>>,
    broke: Arc<OnceLock<Broke>>,
}

impl Rest {
    /// Ends with the reason.
    fn broken(&mut self, reason: Broke) -> Poll<Option<Result<Bytes, Broken>>> {
        let shown = Broken(reason.to_string());
        // A body breaks once, because it is dropped here.
        let _ = self.broke.set(reason);
        self.discard();
        Poll::Ready(Some(Err(shown)))
    }

    fn discard(&mut self) {
        if let Some(body) = self.body.take().filter(|_| !self.is_held_back) {
            discard(body, self.limit_bytes.min(DISCARDED_BYTES), None);
        }
    }
}

impl Stream for Rest {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.is_held_back = false;
        loop {
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            let frame = match Pin::new(body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => return this.broken(Broke::Off(error.to_string())),
                Poll::Ready(None) => {
                    this.body = None;
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    ready!(this.alarm.as_mut().poll(context));
                    return this.broken(Broke::Silent(this.wait));
                }
            };
            // Trailers are left out: no function sees them.
            let Ok(data) = frame.into_data() else { continue };
            let Some(left) = this.left_bytes.checked_sub(data.len() as u64) else {
                return this.broken(Broke::TooLarge(this.limit_bytes));
            };
            this.left_bytes = left;
            this.alarm.as_mut().reset(Instant::now() + this.wait);
            return Poll::Ready(Some(Ok(data)));
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.discard();
    }
}

fn too_large(limit_bytes: u64) -> Problem {
    Problem::new(&problem::BODY_TOO_LARGE, format!("the body is larger than {limit_bytes} bytes"))
}

/// Receives and discards the rest of a refused request for a short time: if the server
/// closed the connection while the client still sends, the response would be lost
/// (RFC 9112, §9.6).
pub(crate) fn linger(request: Request<Incoming>, bounds: &Bounds, in_work: InWork) {
    // A client that waits for `100 Continue` has sent nothing, and must not begin to.
    if !request.headers().contains_key(EXPECT) {
        discard(request.into_body(), bounds.body_bytes, Some(in_work));
    }
}

fn discard(mut body: Incoming, mut rest: u64, in_work: Option<InWork>) {
    if body.is_end_stream() {
        return;
    }
    tokio::task::spawn_local(tokio::time::timeout(LINGER, async move {
        let _in_work = in_work;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(left) = rest.checked_sub(frame.data_ref().map_or(0, Bytes::len) as u64) else { return };
            rest = left;
        }
    }));
}
