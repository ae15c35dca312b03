//! A request's way: route, body, instance, answer.
//!
//! The future of [`answer`] is moved for every request, and with it whatever its
//! parts are given by value. They are therefore given references, and what is rare
//! is boxed.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use isolab_core::message;

use crate::admin::pages;
use crate::http::body;
use crate::http::connection::InWork;
use crate::http::problem::{self, Problem};
use crate::http::timing::{EXECUTOR, INSTANCE, SERVER_TIMING, Visit};
use crate::lifecycle::Clock;
use crate::route::{self, Route};
use crate::worker::Worker;

/// Answers a request, whatever it is for.
pub(crate) async fn answer(
    worker: Rc<Worker>,
    mut request: Request<Incoming>,
    _in_work: InWork,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path().starts_with("/-/") {
        return Ok(Box::pin(pages::answer(&worker, request)).await.map(Full::new));
    }
    let mut visit = Visit::default();
    let (route, answered) = match find(&worker, &request) {
        Ok((route, mount_len)) => {
            let answered = ask(&worker, route, mount_len, &mut request, &mut visit).await;
            (Some(route), answered.map_err(|problem| problem.of(&route.served.spec, route.function.name())))
        }
        Err(problem) => (None, Err(problem)),
    };
    if answered.is_err() {
        body::linger(request, &worker.shared.config.bounds);
    }
    let mut response = answered.unwrap_or_else(Response::from);
    visit.write(response.headers_mut(), route.map(|route| &route.served.header));
    match route {
        Some(route) => worker.pool(route).metrics.responses.count(response.status()),
        None => worker.metrics.unrouted.count(response.status()),
    }
    Ok(response.map(Full::new))
}

/// What the request is for, and how much of its path that takes. Refuses what no
/// executor could be given, or would be given differently.
fn find<'a>(worker: &'a Worker, request: &Request<Incoming>) -> Result<(&'a Arc<Route>, usize), Problem> {
    let bad = |detail: String| Err(Problem::new(&problem::BAD_REQUEST, detail));
    let (mut hosts, mut executor) = (0, None);
    for (name, value) in request.headers() {
        if value.to_str().is_err() {
            return bad(format!("the value of header `{name}` is not visible ASCII"));
        }
        if name == HOST {
            hosts += 1;
        } else if name == EXECUTOR {
            executor = executor.or(Some(value));
        }
    }
    // RFC 9112, §3.2.
    if hosts != 1 && (hosts, request.version()) != (0, Version::HTTP_10) {
        return bad(format!("a request must have one Host header, and this one has {hosts}"));
    }
    let (name, mount_len) = route::split(request.uri().path());
    Ok((worker.shared.routes.find(&name, executor)?, mount_len))
}

/// Has an instance answer, and notes what that took.
async fn ask(
    worker: &Worker,
    route: &Arc<Route>,
    mount_len: usize,
    request: &mut Request<Incoming>,
    visit: &mut Visit,
) -> Result<Response<Bytes>, Problem> {
    let body = body::receive(request.body_mut(), &worker.shared.config.bounds).await?;
    let pool = worker.pool(route);
    visit.prepare = pool.prepare().await?;
    let mut lease = pool.acquire().await?;
    visit.start = lease.started;

    let request = mounted(request, body, mount_len);
    let mut clock = Clock::begin();
    let answered = lease.begin().invoke_on(&mut clock, request).await;
    let duration = clock.end();
    visit.invoke = Some(duration);
    visit.instance = Some(lease.end(&answered, duration, &clock.laps));
    let mut response = answered?;
    remove_own_headers(response.headers_mut());
    Ok(response)
}

/// The request as the function gets it; leaves nothing in the one that came.
fn mounted(request: &mut Request<Incoming>, body: Bytes, mount_len: usize) -> message::Request {
    let method = std::mem::take(request.method_mut());
    let uri = std::mem::take(request.uri_mut());
    let headers = std::mem::take(request.headers_mut());
    message::Request::mounted(method, uri, headers, body, mount_len)
}

/// Takes the headers out that are the server's own. With those that describe the
/// connection a function could break the framing of the responses that follow.
fn remove_own_headers(headers: &mut HeaderMap) {
    static OWN: [HeaderName; 7] =
        [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, SERVER_TIMING, INSTANCE, EXECUTOR];

    if headers.keys().any(|name| OWN.contains(name)) {
        for name in &OWN {
            headers.remove(name);
        }
    }
}
