//! Receiving the whole body of a request, within bounds of size and time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http::header::EXPECT;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

use super::connection::InWork;
use super::problem::{self, Problem};
use crate::config::Bounds;

/// How long the rest of a refused body is received.
const LINGER: Duration = Duration::from_secs(2);

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

fn too_large(limit_bytes: u64) -> Problem {
    Problem::new(&problem::BODY_TOO_LARGE, format!("the body is larger than {limit_bytes} bytes"))
}

/// Receives and discards the rest of a refused request for a short time: if the server
/// closed the connection while the client still sends, the response would be lost
/// (RFC 9112, §9.6).
pub(crate) fn linger(request: Request<Incoming>, bounds: &Bounds, in_work: InWork) {
    // A client that waits for `100 Continue` has sent nothing, and must not begin to.
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let mut rest = bounds.body_bytes;
    tokio::task::spawn_local(tokio::time::timeout(LINGER, async move {
        let _in_work = in_work;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(left) = rest.checked_sub(frame.data_ref().map_or(0, Bytes::len) as u64) else { return };
            rest = left;
        }
    }));
}
