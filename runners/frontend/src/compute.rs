//! The way of a slow route's request: from the thread of its connection to a compute thread and
//! back.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use isolab_core::{Cause, Error, Phase, Request};
use tokio::sync::oneshot;

use crate::bill::Billing;
use crate::lifecycle::Clock;
use crate::pool;
use crate::pool::computing::{Computed, Grant, Granted, Job, Loss};
use crate::pool::inbox::Message;
use crate::registry::Registry;
use crate::route::Route;
use crate::state::WorkerState;

/// Has a compute thread answer. If the client leaves, dropping this gives the request up.
pub(crate) async fn elsewhere(
    shared: &Arc<pool::Shared>,
    route: &Arc<Route>,
    billing: Billing,
    request: Request,
) -> Result<Computed, Error> {
    let Granted { grant, lost } = shared.compute_thread(route).await?;
    let (reply, computed) = oneshot::channel();
    let (_present, gone) = oneshot::channel();
    let thread = &shared.threads[grant.thread];
    let route = Arc::clone(route);
    thread.tell(Message::Compute(Box::new(Job {
        route: Arc::clone(&route),
        request,
        billing,
        grant,
        reply,
        gone,
    })));
    tokio::select! {
        biased;
        Ok(loss) = lost => Err(lost_request(&route, loss)),
        computed = computed => computed.map_err(|_| {
            route.error(Phase::Invoke, Cause::Internal("the executor panicked; see the server's log".into()))
        }),
    }
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
    let Job { route, request, billing, grant, reply, gone } = job;
    let registry = &worker.server.threads()[worker.index].registry;
    let computed = {
        let future = pin!(answer(&worker, &route, billing, request));
        let work = Noted { future, registry, grant: &grant, has_waited: false };
        tokio::select! {
            biased;
            computed = work => Some(computed),
            _ = gone => None,
        }
    };
    // Before the reply: the client's next request finds the thread free.
    drop(grant);
    if let Some(computed) = computed {
        // The client may have left.
        let _ = reply.send(computed);
    }
}

async fn answer(worker: &WorkerState, route: &Arc<Route>, billing: Billing, request: Request) -> Computed {
    let pool = worker.pool(route);
    let leased = match pool.prepare().await {
        Ok(_) => pool.acquire(billing.is_on()).await,
        Err(error) => Err(error),
    };
    let mut lease = match leased {
        Ok(lease) => lease,
        Err(error) => {
            let answered = Err(error);
            let (started, invoked, waited) = (None, None, None);
            return Computed { answered, bill: None, started, invoked, waited, instance: None };
        }
    };
    let started = lease.started;
    if billing.is_on() {
        lease.begin_bill(billing);
    }
    // Metered in any case: the route proves its pace.
    let mut clock = Clock::begin(true);
    let answered = lease.invoke(&mut clock, request).await;
    let duration = clock.end();
    let instance = Some(lease.end(&answered, &clock, duration));
    let waited = Some(clock.waited()).filter(|waited| !waited.is_zero());
    let bill = billing.is_on().then(|| lease.end_bill(billing, &clock, answered.is_ok()).value());
    Computed { answered, bill, started, invoked: Some(duration), waited, instance }
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
