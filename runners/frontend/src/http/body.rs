//! Receiving the whole body of a request, within bounds of size and time.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

use super::connection::InWork;
use super::problem::{self, Problem};
use crate::config::Bounds;

/// How long the rest of a refused body is received.
const LINGER: Duration = Duration::from_secs(2);

/// Receives the body. A request without one, the usual case, costs nothing.
pub(crate) async fn receive(body: &mut Incoming, bounds: &Bounds) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // The hint is `Content-Length`: a body that is announced as too large is not read.
    if body.size_hint().lower() > bounds.body_bytes {
        return Err(too_large(bounds.body_bytes));
    }
    let limit = usize::try_from(bounds.body_bytes).unwrap_or(usize::MAX);
    let collected =
        Box::pin(tokio::time::timeout(bounds.body_wait, Limited::new(body, limit).collect())).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bounds.body_bytes)),
        Ok(Err(error)) => Err(Problem::new(&problem::BAD_REQUEST, format!("the body broke off: {error}"))),
        Err(_) => {
            let detail = format!("the whole body did not arrive within {:?}", bounds.body_wait);
            Err(Problem::new(&problem::BODY_TIMEOUT, detail))
        }
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
