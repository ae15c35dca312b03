//! A request's way: route, body, instance, answer.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use isolab_core::message;

use crate::problem::{self, Problem};
use crate::route::{self, Route};
use crate::timing::Visit;
use crate::worker::Worker;
use crate::{body, pages};

/// Answers a request, whatever it is for.
pub(crate) async fn answer(worker: &Rc<Worker>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let response = if let Some(page) = request.uri().path().strip_prefix("/-/") {
        let page = page.to_owned();
        Box::pin(pages::answer(worker, &page, request)).await
    } else {
        function(worker, request).await
    };
    response.map(Full::new)
}

/// Answers a request for a function, counts the response and writes its headers.
async fn function(worker: &Rc<Worker>, request: Request<Incoming>) -> Response<Bytes> {
    let (mut head, mut received) = request.into_parts();
    let (name, mount_len) = route::split(head.uri.path());
    let shared = Arc::clone(&worker.shared);
    let route = match check(&head).and_then(|()| shared.routes.find(&name, &head.headers)) {
        Ok(route) => route,
        Err(problem) => {
            body::linger(received, &head.headers, &shared.config.bounds);
            let response = Response::from(problem);
            worker.metrics.unrouted.count(response.status());
            return response;
        }
    };

    let mut visit = Visit::default();
    let answered = match body::receive(&mut received, &shared.config.bounds).await {
        Ok(body) => {
            let headers = std::mem::take(&mut head.headers);
            let request = message::Request::mounted(head.method, head.uri, headers, body, mount_len);
            ask(worker, route, request, &mut visit).await
        }
        Err(problem) => {
            body::linger(received, &head.headers, &shared.config.bounds);
            Err(problem.of(&route.served.spec, route.function.name()))
        }
    };
    let mut response = answered.unwrap_or_else(Response::from);
    visit.write(response.headers_mut(), Some(&route.served.header));
    worker.pool(route).metrics.responses.count(response.status());
    response
}

/// Refuses what no executor could be given, or would be given differently.
fn check(head: &http::request::Parts) -> Result<(), Problem> {
    let bad = |detail: String| Err(Problem::new(&problem::BAD_REQUEST, detail));
    let mut hosts = 0;
    for (name, value) in &head.headers {
        if value.to_str().is_err() {
            return bad(format!("the value of header `{name}` is not visible ASCII"));
        }
        hosts += usize::from(name == HOST);
    }
    // RFC 9112, §3.2.
    match (hosts, head.version) {
        (1, _) | (0, Version::HTTP_10) => Ok(()),
        _ => bad(format!("a request must have one Host header, and this one has {hosts}")),
    }
}

/// Has an instance answer, and notes what that took.
async fn ask(
    worker: &Worker,
    route: &Arc<Route>,
    request: message::Request,
    visit: &mut Visit,
) -> Result<Response<Bytes>, Problem> {
    let pool = worker.pool(route);
    visit.prepare = pool.prepare().await?;
    let mut lease = pool.acquire().await?;
    visit.start = lease.started;
    let timed = lease.invoke(request).await;
    visit.invoke = Some(timed.duration);
    visit.instance = Some(lease.instance());
    let mut response = timed.value?;
    remove_connection_headers(response.headers_mut());
    Ok(response)
}

/// Headers that describe the connection are the server's own: a function that could
/// write them could break the framing of the responses that follow.
fn remove_connection_headers(headers: &mut HeaderMap) {
    const OWN: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];

    if headers.keys().any(|name| OWN.contains(name)) {
        for name in OWN {
            headers.remove(name);
        }
    }
}
