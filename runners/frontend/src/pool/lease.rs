//! An instance while a request uses it.
//!
//! Dropping a [`Lease`], also because the client has left, returns the instance to its
//! pool or has it stopped.

use std::rc::Rc;
use std::time::Duration;

use isolab_core::{Error, Phase, Request, Streams};

use super::{Pool, Slot};
use crate::bill::{Bill, Billing, Outside, Usage};
use crate::lifecycle::{Answering, Clock, Live, Streaming};
use crate::telemetry::activity::Tracked;

/// An instance for the time of one request.
pub(crate) struct Lease {
    pool: Rc<Pool>,
    /// Present until the lease is dropped or kept.
    slot: Option<Rc<Slot>>,
    /// How often the instance has been used, with this lease's last invocation.
    uses: u64,
    /// How long the start took, if the instance was started for this request.
    pub(crate) started: Option<Duration>,
    /// The usage of that start, if it is billed. Boxed, because a lease is moved.
    pub(crate) start_usage: Option<Box<Usage>>,
    /// False during an invocation, and after one that did not spare its instance: the instance
    /// may then only be stopped.
    is_fit: bool,
}

impl Lease {
    pub(crate) fn new(pool: &Rc<Pool>, slot: Rc<Slot>) -> Self {
        slot.leases.set(slot.leases.get() + 1);
        pool.share(&slot);
        let uses = slot.live.uses();
        let pool = Rc::clone(pool);
        Self { pool, slot: Some(slot), uses, started: None, start_usage: None, is_fit: true }
    }

    fn live(&self) -> &Live {
        &self.slot.as_ref().expect("a lease has its slot").live
    }

    /// Invokes the instance. An instance that answers one request at a time counts as broken until
    /// [`Lease::end`]: an invocation that is given up half-way leaves it so.
    pub(crate) fn invoke<'a>(
        &'a mut self,
        clock: &'a mut Clock,
        request: Request,
    ) -> Tracked<'a, Answering<'a>> {
        self.is_fit = self.pool.max_concurrency() > 1;
        let live = &self.slot.as_ref().expect("a lease has its slot").live;
        let invocation = live.invoke_on(clock, request);
        self.uses = live.uses();
        self.pool.track(Phase::Invoke, Some(live.id()), invocation)
    }

    /// As [`Lease::invoke`], with streams.
    pub(crate) fn stream<'a>(
        &'a mut self,
        clock: &'a mut Clock,
        request: Request,
        streams: Streams,
    ) -> Tracked<'a, Streaming<'a>> {
        self.is_fit = self.pool.max_concurrency() > 1;
        let live = &self.slot.as_ref().expect("a lease has its slot").live;
        let invocation = live.stream_on(clock, request, streams);
        self.uses = live.uses();
        self.pool.track(Phase::Invoke, Some(live.id()), invocation)
    }

    /// The instance's id, and how often it will have been used with the next invocation.
    pub(crate) fn next_use(&self) -> (u64, u64) {
        (self.live().id(), self.live().uses() + 1)
    }

    /// Records the result of an invocation. Returns the instance's id and how often the
    /// instance has been used.
    pub(crate) fn end<T>(
        &mut self,
        answered: &Result<T, Error>,
        clock: &Clock,
        duration: Duration,
    ) -> (u64, u64) {
        let instance = (self.live().id(), self.uses);
        let times = (duration, clock.waited());
        self.pool.observe(Phase::Invoke, answered, times, &clock.laps, Some(instance));
        self.pool.judge(Phase::Invoke, clock.held(duration));
        self.is_fit = answered.as_ref().err().is_none_or(|error| error.spares_instance);
        if !self.is_fit {
            self.count_death();
        }
        instance
    }

    /// Counts the death of the instance once, whatever the number of its requests. A client that leaves is
    /// not counted: it could have the function refused to all other clients.
    fn count_death(&self) {
        let slot = self.slot.as_ref().expect("a lease has its slot");
        if !slot.is_broken.replace(true) && !self.pool.prepared().holds_thread() {
            self.pool.route.backoff.count_death();
        }
    }

    /// Before an invocation that is billed.
    pub(crate) fn begin_bill(&mut self, billing: Billing) {
        self.live().begin_bill(billing);
    }

    /// The bill of the invocation on this clock, which the metrics count.
    pub(crate) fn end_bill(&mut self, billing: Billing, clock: &Clock, has_answered: bool) -> Bill {
        let started = self.start_usage.take().map(|usage| *usage);
        let bill = self.live().end_bill(billing, clock, started, has_answered);
        let counts = &self.pool.metrics.bill;
        counts.answers.add(1);
        counts.phase(Phase::Invoke).add(clock.usage().unwrap_or_default());
        if let Outside::Read { usage, .. } = bill.outside {
            counts.outside.add(usage);
        }
        bill
    }

    /// Leaves the instance idle, whatever the reuse policy.
    pub(crate) fn keep(mut self) {
        let slot = self.slot.take().expect("a lease has its slot");
        slot.leases.set(0);
        if self.pool.max_concurrency() > 1 {
            self.pool.roomy.borrow_mut().retain(|other| !Rc::ptr_eq(other, &slot));
        }
        self.pool.put_idle(slot);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.leases.set(slot.leases.get() - 1);
            if !self.is_fit {
                slot.is_broken.set(true);
            }
            self.pool.give_back(slot);
        }
    }
}
