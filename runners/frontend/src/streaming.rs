//! The way of a request whose function can stream: the body is passed on as it arrives, and an answer
//! leaves as the function makes it.

use std::rc::Rc;

use http::header::TRAILER;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use isolab_core::streams::Pieces;

use crate::answer::{Answered, Computed};
use crate::bill::Billing;
use crate::compute;
use crate::exchange::{Exchange, Step};
use crate::http::body::{self, Opened};
use crate::http::connection::InWork;
use crate::http::outgoing::AnswerBody;
use crate::http::problem::Problem;
use crate::http::timing::{BILL, Timings};
use crate::mount::{Mount, mounted, problem_with_bill, remove_own_headers, with_bill};
use crate::pool::Pool;
use crate::state::WorkerState;

/// Answers a request, or begins to.
pub(crate) async fn answer(
    worker: &Rc<WorkerState>,
    pool: &Rc<Pool>,
    mount: Mount,
    request: Request<Incoming>,
    in_work: InWork,
    timings: &mut Timings,
) -> Result<Response<AnswerBody>, Problem> {
    let (parts, body) = request.into_parts();
    let bounds = &worker.server.config.bounds;
    let route = &pool.route;
    let request_bytes = route.function.limits().request_bytes;
    let Opened { first, rest, broke } =
        body::open(body, &parts.headers, request_bytes, bounds, &worker.server.bodies).await?;
    let request = mounted(&mut Request::from_parts(parts, ()), first, mount);
    let Computed { answered, bill, times } = if route.pace.is_slow() {
        compute::elsewhere(&worker.server.pools, route, mount.billing, request, rest).await?
    } else {
        here(worker, pool, mount.billing, request, rest).await
    };
    timings.add(times);
    match answered {
        Ok(Answered::Whole(response)) => {
            with_bill(Ok(response), bill).map(|response| response.map(AnswerBody::from))
        }
        Ok(Answered::Begun(head, flow)) => {
            let mut response = head.map(|()| AnswerBody::Flow(Box::new((flow, in_work))));
            remove_own_headers(response.headers_mut());
            if mount.billing.is_on() {
                response.headers_mut().insert(TRAILER, HeaderValue::from(BILL));
            }
            Ok(response)
        }
        Err(error) => Err(match broke.get() {
            // The function failed because its client did.
            Some(refusal) => refusal.problem(),
            None => problem_with_bill(error, bill),
        }),
    }
}

/// Has an instance on this thread answer, or begin to.
async fn here(
    worker: &Rc<WorkerState>,
    pool: &Rc<Pool>,
    billing: Billing,
    request: isolab_core::Request,
    rest: Option<Pieces>,
) -> Computed {
    let mut exchange = Exchange::new(pool, billing, request, rest, !pool.route.pace.is_settled());
    match exchange.step().await {
        Step::Ended(ended) => Computed::from(ended),
        Step::Begun(begun) => {
            let (computed, mut end) = compute::begin(begun, exchange.times());
            // The server waits for the task before it stops the instances.
            worker.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    ended = exchange.end() => compute::finish(ended, end),
                    () = end.client_left() => {}
                }
            });
            computed
        }
    }
}
