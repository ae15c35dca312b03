//! One request on an instance, from the lease to the bill, for answers that may begin before they
//! are whole or that another thread gives.
//!
//! Whole answers on the connection's own thread, the usual case, take the shorter way in `dispatch`.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use bytes::BytesMut;
use http::HeaderValue;
use isolab_core::streams::{Begun, Outlet, Pieces};
use isolab_core::{Error, Request, Response, Streams};

use crate::answer::Times;
use crate::bill::Billing;
use crate::lifecycle::Clock;
use crate::pool::Pool;

/// A request that an instance answers.
pub(crate) struct Exchange {
    work: Pin<Box<dyn Future<Output = Ended>>>,
    outlet: Rc<Outlet>,
    notes: Rc<Notes>,
}

/// The news of an exchange.
pub(crate) enum Step {
    /// The answer has begun. [`Exchange::end`] drives it to its end.
    Begun(Begun),
    Ended(Ended),
}

/// An exchange that has ended.
pub(crate) struct Ended {
    /// `None` if the answer had begun: its pieces have been written.
    pub(crate) answered: Result<Option<Response>, Error>,
    pub(crate) bill: Option<HeaderValue>,
    pub(crate) times: Times,
}

impl Ended {
    /// An answer that began and ended before anybody looked is whole.
    fn with(mut self, begun: Option<Begun>) -> Self {
        if let (Ok(None), Some(Begun { head, mut pieces })) = (&self.answered, begun) {
            let mut body = BytesMut::new();
            while let Ok(piece) = pieces.try_recv() {
                body.extend_from_slice(&piece);
            }
            self.answered = Ok(Some(head.map(|()| body.freeze())));
        }
        self
    }
}

/// The times that are known before the end.
#[derive(Default)]
struct Notes {
    times: Cell<Times>,
    begun: Cell<Option<Instant>>,
}

impl Exchange {
    /// Nothing happens before the first poll. The invocation is metered if it `proves_pace` or is billed.
    pub(crate) fn new(
        pool: &Rc<Pool>,
        billing: Billing,
        request: Request,
        rest: Option<Pieces>,
        proves_pace: bool,
    ) -> Self {
        let (outlet, notes) = (Rc::<Outlet>::default(), Rc::<Notes>::default());
        let streams = Streams { rest, outlet: Rc::clone(&outlet) };
        let work = run(Rc::clone(pool), billing, request, streams, Rc::clone(&notes), proves_pace);
        Self { work: Box::pin(work), outlet, notes }
    }

    /// Returns when the answer has begun or the exchange has ended.
    pub(crate) async fn step(&mut self) -> Step {
        poll_fn(|context| match self.work.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Step::Ended(ended.with(self.outlet.take()))),
            Poll::Pending => {
                self.outlet.take().map_or(Poll::Pending, |begun| Poll::Ready(Step::Begun(begun)))
            }
        })
        .await
    }

    /// Returns when the exchange has ended.
    pub(crate) async fn end(&mut self) -> Ended {
        self.work.as_mut().await
    }

    /// The times until now.
    pub(crate) fn times(&self) -> Times {
        let invoked = self.notes.begun.get().map(|begun| begun.elapsed());
        Times { invoked, ..self.notes.times.get() }
    }
}

async fn run(
    pool: Rc<Pool>,
    billing: Billing,
    request: Request,
    streams: Streams,
    notes: Rc<Notes>,
    proves_pace: bool,
) -> Ended {
    let leased = match pool.prepare().await {
        Ok(_) => pool.acquire(billing.is_on()).await,
        Err(error) => Err(error),
    };
    let mut lease = match leased {
        Ok(lease) => lease,
        Err(error) => return Ended { answered: Err(error), bill: None, times: Times::default() },
    };
    let mut times = Times { started: lease.started, instance: Some(lease.next_use()), ..Times::default() };
    notes.times.set(times);
    if billing.is_on() {
        lease.begin_bill(billing);
    }
    let mut clock = Clock::begin(billing.is_on() || proves_pace);
    notes.begun.set(Some(clock.laps.begun()));
    let answered = if pool.streams() {
        lease.stream(&mut clock, request, streams).await
    } else {
        lease.invoke(&mut clock, request).await.map(Some)
    };
    let duration = clock.end();
    times.instance = Some(lease.end(&answered, &clock, duration));
    times.invoked = Some(duration);
    times.waited = Some(clock.waited()).filter(|waited| !waited.is_zero());
    let bill = billing.is_on().then(|| lease.end_bill(billing, &clock, answered.is_ok()).value());
    Ended { answered, bill, times }
}
