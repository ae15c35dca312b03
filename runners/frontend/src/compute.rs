//! The way of a slow route's request: from the thread of its connection to a compute thread and
//! back.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderMap;
use isolab_core::streams::{Begun, Pieces};
use isolab_core::{Cause, Error, Phase, Request, Response};
use tokio::sync::oneshot;

use crate::answer::{self, Answered, Computed, End, Times};
use crate::bill::Billing;
use crate::exchange::{Ended, Exchange, Step};
use crate::http::timing::BILL;
use crate::pool;
use crate::pool::computing::{Grant, Granted, Job};
use crate::pool::inbox::Message;
use crate::registry::Registry;
use crate::route::{Loss, Route};
use crate::state::WorkerState;

/// Has a compute thread answer. If the client leaves, dropping this gives the request up.
pub(crate) async fn elsewhere(
    shared: &Arc<pool::Shared>,
    route: &Arc<Route>,
    billing: Billing,
    request: Request,
    rest: Option<Pieces>,
) -> Result<Computed, Error> {
    let Granted { grant, mut lost } = shared.compute_thread(route).await?;
    let (reply, computed) = oneshot::channel();
    let (_present, gone) = oneshot::channel();
    let thread = &shared.threads[grant.thread];
    let route = Arc::clone(route);
    thread.tell(Message::Compute(Box::new(Job {
        route: Arc::clone(&route),
        request,
        rest,
        billing,
        grant,
        reply,
        gone,
    })));
    let mut computed = tokio::select! {
        biased;
        Ok(loss) = &mut lost => return Err(lost_request(&route, loss)),
        computed = computed => computed.map_err(|_| {
            route.error(Phase::Invoke, Cause::Internal("the executor panicked; see the server's log".into()))
        })?,
    };
    if let Ok(Answered::Begun(_, flow)) = &mut computed.answered {
        flow.lost = Some(lost).filter(|lost| !lost.is_terminated());
    }
    Ok(computed)
}

fn lost_request(route: &Route, loss: Loss) -> Error {
    if loss.is_guilty {
        return route.uninterrupted(loss.phase);
    }
    let reason = "another request of this function holds the thread for ever; try again";
    route.error(Phase::Invoke, Cause::Unavailable(reason.into()))
}

/// Answers a request on this thread, a compute thread.
pub(crate) async fn here(worker: Rc<WorkerState>, job: Job) {
    let Job { route, request, rest, billing, grant, reply, gone } = job;
    let registry = &worker.server.threads()[worker.index].registry;
    // Metered in any case: the route proves its pace.
    let mut exchange = Exchange::new(&worker.pool(&route), billing, request, rest, true);
    let step = {
        let work = Noted { future: pin!(exchange.step()), registry, grant: &grant, has_waited: false };
        tokio::select! {
            biased;
            step = work => Some(step),
            _ = gone => None,
        }
    };
    match step {
        None => drop(exchange),
        Some(Step::Ended(ended)) => {
            // Before the reply: the client's next request finds the thread free.
            drop((exchange, grant));
            // The client may have left.
            let _ = reply.send(Computed::from(ended));
        }
        Some(Step::Begun(begun)) => {
            let (computed, mut end) = begin(begun, exchange.times());
            let _ = reply.send(computed);
            let work = Noted { future: pin!(exchange.end()), registry, grant: &grant, has_waited: true };
            tokio::select! {
                biased;
                ended = work => finish(ended, end),
                () = end.client_left() => {}
            }
        }
    }
}

impl From<Ended> for Computed {
    /// # Panics
    /// If the answer had begun.
    fn from(Ended { answered, bill, times }: Ended) -> Self {
        let whole =
            |response: Option<Response>| Answered::Whole(response.expect("nobody has begun to answer"));
        Self { answered: answered.map(whole), bill, times }
    }
}

/// The answer that has begun, and its end.
pub(crate) fn begin(Begun { head, pieces }: Begun, times: Times) -> (Computed, End) {
    let (flow, end) = answer::flow(pieces);
    (Computed { answered: Ok(Answered::Begun(head, flow)), bill: None, times }, end)
}

/// Ends an answer that has begun. A failure can only be logged: the client has a status already.
pub(crate) fn finish(ended: Ended, end: End) {
    match ended.answered {
        Ok(_) => end.whole(ended.bill.map(|bill| (BILL, bill)).into_iter().collect::<HeaderMap>()),
        Err(error) => tracing::warn!("an answer was broken off: {error}"),
    }
}

/// A job that says when the thread attends to it, and when it waits for the first time.
struct Noted<'a, F> {
    future: F,
    registry: &'a Registry,
    grant: &'a Grant,
    has_waited: bool,
}

impl<F: Future + Unpin> Future for Noted<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.registry.attend_to(self.grant.id);
        let polled = Pin::new(&mut self.future).poll(context);
        if polled.is_pending() && !self.has_waited {
            self.has_waited = true;
            self.grant.has_waited();
        }
        polled
    }
}
