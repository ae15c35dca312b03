//! An instance while a request uses it.
//!
//! Dropping a [`Lease`], also because the client has left, returns the instance to its
//! pool or has it stopped.

use std::rc::Rc;
use std::time::Duration;

use isolab_core::{Error, Laps, Phase, Request, Response};

use super::{Pool, Slot};
use crate::bill::{Bill, Billing, Outside, Usage};
use crate::lifecycle::{Answering, Clock};
use crate::telemetry::activity::Tracked;

/// An instance for the time of one request.
pub(crate) struct Lease {
    pool: Rc<Pool>,
    /// Present until the lease is dropped or kept.
    slot: Option<Slot>,
    /// How long the start took, if the instance was started for this request.
    pub(crate) started: Option<Duration>,
    /// The usage of that start, if it is billed. Boxed, because a lease is moved.
    pub(crate) start_usage: Option<Box<Usage>>,
    /// False during an invocation and after one that failed: the instance may then
    /// only be stopped.
    answered: bool,
}

impl Lease {
    pub(crate) fn new(pool: &Rc<Pool>, slot: Slot) -> Self {
        Self { pool: Rc::clone(pool), slot: Some(slot), started: None, start_usage: None, answered: true }
    }

    /// Invokes the instance. It counts as broken until [`Lease::end`]: an invocation
    /// that is given up half-way leaves it so.
    pub(crate) fn invoke<'a>(
        &'a mut self,
        clock: &'a mut Clock,
        request: Request,
    ) -> Tracked<'a, Answering<'a>> {
        self.answered = false;
        let live = &mut self.slot.as_mut().expect("a lease has its slot").live;
        let id = live.id();
        self.pool.track(Phase::Invoke, Some(id), live.invoke_on(clock, request))
    }

    /// Records the result of an invocation. Returns the instance's id and how often the
    /// instance has been used.
    pub(crate) fn end(
        &mut self,
        answered: &Result<Response, Error>,
        duration: Duration,
        laps: &Laps,
    ) -> (u64, u64) {
        let live = &self.slot.as_ref().expect("a lease has its slot").live;
        let instance = (live.id(), live.uses());
        self.pool.observe(Phase::Invoke, answered, duration, laps, Some(instance));
        self.answered = answered.is_ok();
        instance
    }

    /// Before an invocation that is billed.
    pub(crate) fn begin_bill(&mut self, billing: Billing) {
        self.slot.as_mut().expect("a lease has its slot").live.begin_bill(billing);
    }

    /// The bill of the invocation on this clock, which the metrics count.
    pub(crate) fn end_bill(&mut self, billing: Billing, clock: &Clock, has_answered: bool) -> Bill {
        let live = &mut self.slot.as_mut().expect("a lease has its slot").live;
        let started = self.start_usage.take().map(|usage| *usage);
        let bill = live.end_bill(billing, clock, started, has_answered);
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
        self.pool.put_idle(slot);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.pool.give_back(slot, self.answered);
        }
    }
}
