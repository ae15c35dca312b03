//! A request's way: route, body, instance, response.
//!
//! The future of [`answer`] is moved for every request, together with all values that
//! its parts own. They get references instead, and rare parts are boxed. A function that can stream
//! has a way of its own: `streaming`.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use isolab_core::{Error, http1, message};

use crate::admin::pages;
use crate::answer::{Answered, Computed};
use crate::bill::Billing;
use crate::compute;
use crate::http::body;
use crate::http::connection::InWork;
use crate::http::outgoing::AnswerBody;
use crate::http::problem::{self, Problem};
use crate::http::timing::{BILL, EXECUTOR, Timings};
use crate::lifecycle::Clock;
use crate::mount::{Mount, mounted, remove_own_headers, with_bill};
use crate::pool::Pool;
use crate::pool::lease::Lease;
use crate::route::{self, Route};
use crate::state::WorkerState;
use crate::streaming;

/// Answers any request.
pub(crate) async fn answer(
    worker: Rc<WorkerState>,
    mut request: Request<Incoming>,
    in_work: InWork,
) -> Result<Response<AnswerBody>, Infallible> {
    if request.uri().path().starts_with("/-/") {
        return Ok(Box::pin(pages::answer(&worker, request)).await.map(AnswerBody::from));
    }
    let mut timings = Timings::default();
    let (pool, mount) = match find(&worker, &request) {
        Ok(found) => found,
        Err(problem) => {
            body::linger(request, &worker.server.config.bounds, in_work);
            return Ok(sent(&worker, None, &timings, Err(problem)));
        }
    };
    let answered = match pool.prepare().await {
        Ok(paid) => {
            timings.prepare = paid;
            if pool.streams() {
                let streaming = streaming::answer(&worker, &pool, mount, request, in_work, &mut timings);
                let answered = Box::pin(streaming).await;
                return Ok(sent(&worker, Some(&pool), &timings, answered));
            }
            invoke(&worker, &pool, mount, &mut request, &mut timings).await
        }
        Err(error) => Err(error.into()),
    };
    if answered.is_err() {
        body::linger(request, &worker.server.config.bounds, in_work);
    }
    let answered = answered.map(|response| response.map(AnswerBody::from));
    Ok(sent(&worker, Some(&pool), &timings, answered))
}

/// The response as it is sent, counted.
fn sent(
    worker: &WorkerState,
    pool: Option<&Pool>,
    timings: &Timings,
    answered: Result<Response<AnswerBody>, Problem>,
) -> Response<AnswerBody> {
    let route = pool.map(|pool| &pool.route);
    let mut response = answered.unwrap_or_else(|problem| {
        let problem = match route {
            Some(route) => problem.for_cell(&route.served.spec, route.function.name()),
            None => problem,
        };
        Response::from(problem).map(AnswerBody::from)
    });
    timings.write(response.headers_mut(), route.map(|route| &route.served.header));
    match pool {
        Some(pool) => pool.metrics.responses.count(response.status()),
        None => worker.metrics.unrouted.count(response.status()),
    }
    response
}

/// The instances for the request, and how the function is mounted there. Refuses requests that
/// executors cannot take, or would take differently.
fn find(worker: &WorkerState, request: &Request<Incoming>) -> Result<(Rc<Pool>, Mount), Problem> {
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
    Ok((worker.find(&name, executor)?, Mount { len, billing, has_hop_by_hop }))
}

/// Has an instance answer, and notes how long each phase took.
async fn invoke(
    worker: &WorkerState,
    pool: &Rc<Pool>,
    mount: Mount,
    request: &mut Request<Incoming>,
    timings: &mut Timings,
) -> Result<Response<Bytes>, Problem> {
    let (server, route, billing) = (&worker.server, &pool.route, mount.billing);
    // The body counts as held until the function has answered.
    let body::Received { bytes: body, held: _held } =
        body::receive(request.body_mut(), &server.config.bounds, &server.bodies).await?;
    if route.pace.is_slow() {
        let request = mounted(request, body, mount);
        return Box::pin(compute(worker, route, billing, request, timings)).await;
    }
    let mut lease = pool.acquire(billing.is_on()).await?;
    timings.start = lease.started;
    if billing.is_on() {
        lease.begin_bill(billing);
    }

    let request = mounted(request, body, mount);
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
    request: message::Request,
    timings: &mut Timings,
) -> Result<Response<Bytes>, Problem> {
    let Computed { answered, bill, times } =
        compute::elsewhere(&worker.server.pools, route, billing, request, None).await?;
    timings.add(times);
    let whole = |answered| match answered {
        Answered::Whole(response) => response,
        Answered::Begun(..) => unreachable!("only a function that streams begins its answer"),
    };
    with_bill(answered.map(whole), bill)
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
