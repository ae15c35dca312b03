//! A request's way: route, body, instance, response.
//!
//! The future of [`answer`] is moved for every request, together with all values that
//! its parts own. They get references instead, and rare parts are boxed.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use isolab_core::{Error, http1, message};

use crate::admin::pages;
use crate::bill::Billing;
use crate::compute;
use crate::http::body;
use crate::http::connection::InWork;
use crate::http::problem::{self, Problem};
use crate::http::timing::{BILL, EXECUTOR, INSTANCE, SERVER_TIMING, Timings};
use crate::lifecycle::Clock;
use crate::pool::computing::Computed;
use crate::pool::lease::Lease;
use crate::route::{self, Route};
use crate::state::WorkerState;

/// Answers any request.
pub(crate) async fn answer(
    worker: Rc<WorkerState>,
    mut request: Request<Incoming>,
    in_work: InWork,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path().starts_with("/-/") {
        return Ok(Box::pin(pages::answer(&worker, request)).await.map(Full::new));
    }
    let mut timings = Timings::default();
    let (route, answered) = match find(&worker, &request) {
        Ok((route, mount)) => {
            let answered = invoke(&worker, route, mount, &mut request, &mut timings).await;
            let in_cell = |problem: Problem| problem.for_cell(&route.served.spec, route.function.name());
            (Some(route), answered.map_err(in_cell))
        }
        Err(problem) => (None, Err(problem)),
    };
    if answered.is_err() {
        body::linger(request, &worker.server.config.bounds, in_work);
    }
    let mut response = answered.unwrap_or_else(Response::from);
    timings.write(response.headers_mut(), route.map(|route| &route.served.header));
    match route {
        Some(route) => worker.pool(route).metrics.responses.count(response.status()),
        None => worker.metrics.unrouted.count(response.status()),
    }
    Ok(response.map(Full::new))
}

/// The parts of a request that only the server needs.
#[derive(Clone, Copy)]
struct Mount {
    /// How many bytes of the path name the function.
    len: usize,
    billing: Billing,
    /// Whether the request has headers that concern only its connection.
    has_hop_by_hop: bool,
}

/// The request's route, and how the function is mounted there. Refuses requests that
/// executors cannot take, or would take differently.
fn find<'a>(
    worker: &'a WorkerState,
    request: &Request<Incoming>,
) -> Result<(&'a Arc<Route>, Mount), Problem> {
    let bad = |detail: String| Err(Problem::new(&problem::BAD_REQUEST, detail));
    let (mut hosts, mut executor, mut has_hop_by_hop) = (0, None, false);
    let mut billing = Billing { is_asked: false, is_constant: worker.is_bill_due() };
    for (name, value) in request.headers() {
        if value.to_str().is_err() {
            return bad(format!("the value of the header `{name}` is not visible ASCII"));
        }
        if name == HOST {
            hosts += 1;
        } else if name == EXECUTOR {
            executor = executor.or(Some(value));
        } else if http1::is_hop_by_hop(name.as_str()) {
            has_hop_by_hop = true;
        } else if name == BILL {
            if value != "1" {
                return bad(format!("the header `{BILL}` must be `1`"));
            }
            billing.is_asked = true;
        }
    }
    // RFC 9112, §3.2.
    if hosts != 1 && (hosts, request.version()) != (0, Version::HTTP_10) {
        return bad(format!("a request must have exactly one Host header; this request has {hosts}"));
    }
    let (name, len) = route::split(request.uri().path());
    Ok((worker.server.routes.find(&name, executor)?, Mount { len, billing, has_hop_by_hop }))
}

/// Has an instance answer, and notes how long each phase took.
async fn invoke(
    worker: &WorkerState,
    route: &Arc<Route>,
    Mount { len, billing, has_hop_by_hop }: Mount,
    request: &mut Request<Incoming>,
    timings: &mut Timings,
) -> Result<Response<Bytes>, Problem> {
    let server = &worker.server;
    // The body counts as held until the function has answered.
    let body::Received { bytes: body, held: _held } =
        body::receive(request.body_mut(), &server.config.bounds, &server.bodies).await?;
    let pool = worker.pool(route);
    timings.prepare = pool.prepare().await?;
    if route.pace.is_slow() {
        let request = mounted(request, body, len, has_hop_by_hop);
        return Box::pin(compute(worker, route, billing, request, timings)).await;
    }
    let mut lease = pool.acquire(billing.is_on()).await?;
    timings.start = lease.started;
    if billing.is_on() {
        begin_bill(&mut lease, billing, request.headers_mut());
    }

    let request = mounted(request, body, len, has_hop_by_hop);
    let mut clock = Clock::begin(billing.is_on() || !route.pace.is_settled());
    let answered = lease.invoke(&mut clock, request).await;
    let duration = clock.end();
    timings.invoke = Some(duration);
    timings.wait = Some(clock.waited()).filter(|waited| !waited.is_zero());
    timings.instance = Some(lease.end(&answered, &clock, duration));
    if billing.is_on() {
        return billed(&mut lease, billing, &clock, answered);
    }
    let mut response = answered?;
    remove_own_headers(response.headers_mut());
    Ok(response)
}

/// Has a compute thread answer.
async fn compute(
    worker: &WorkerState,
    route: &Arc<Route>,
    billing: Billing,
    mut request: message::Request,
    timings: &mut Timings,
) -> Result<Response<Bytes>, Problem> {
    if billing.is_asked {
        request.headers.remove(BILL);
    }
    let Computed { answered, bill, started, invoked, waited, instance } =
        compute::elsewhere(&worker.server.pools, route, billing, request).await?;
    (timings.start, timings.invoke, timings.instance) = (started, invoked, instance);
    timings.wait = waited;
    with_bill(answered, bill)
}

/// Before an invocation that is billed. The function does not see that it is.
#[inline(never)]
fn begin_bill(lease: &mut Lease, billing: Billing, headers: &mut HeaderMap) {
    if billing.is_asked {
        headers.remove(BILL);
    }
    lease.begin_bill(billing);
}

/// An answer with its bill. An invocation that failed has one, too. Not inlined: most requests
/// do not come here.
#[inline(never)]
fn billed(
    lease: &mut Lease,
    billing: Billing,
    clock: &Clock,
    answered: Result<Response<Bytes>, Error>,
) -> Result<Response<Bytes>, Problem> {
    let bill = lease.end_bill(billing, clock, answered.is_ok()).value();
    with_bill(answered, Some(bill))
}

fn with_bill(
    answered: Result<Response<Bytes>, Error>,
    bill: Option<HeaderValue>,
) -> Result<Response<Bytes>, Problem> {
    match answered {
        Ok(mut response) => {
            remove_own_headers(response.headers_mut());
            response.headers_mut().extend(bill.map(|bill| (BILL, bill)));
            Ok(response)
        }
        Err(error) => {
            let problem = Problem::from(error);
            Err(match bill {
                Some(bill) => problem.header(BILL, bill),
                None => problem,
            })
        }
    }
}

/// The request as the function gets it. Takes all parts out of the client's request.
fn mounted(
    request: &mut Request<Incoming>,
    body: Bytes,
    mount_len: usize,
    has_hop_by_hop: bool,
) -> message::Request {
    let method = std::mem::take(request.method_mut());
    let uri = std::mem::take(request.uri_mut());
    let mut headers = std::mem::take(request.headers_mut());
    if has_hop_by_hop {
        remove_hop_by_hop(&mut headers);
    }
    message::Request::mounted(method, uri, headers, body, mount_len)
}

/// Removes the headers that concern only the connection (RFC 9110, §7.6.1): those that the header
/// `Connection` names, and those that are known. No function sees them, with any executor.
#[inline(never)]
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let known = headers.keys().filter(|name| http1::is_hop_by_hop(name.as_str())).cloned();
    for name in known.chain(named).collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Removes the headers that only the server may write. A function that writes headers
/// of the connection could break the framing of later responses.
fn remove_own_headers(headers: &mut HeaderMap) {
    static OWN: [HeaderName; 8] =
        [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, SERVER_TIMING, INSTANCE, EXECUTOR, BILL];

    if headers.keys().any(|name| OWN.contains(name)) {
        for name in &OWN {
            headers.remove(name);
        }
    }
}
