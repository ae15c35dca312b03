//! An instance in the hands of a request.
//!
//! Dropping a [`Lease`], also because the client went away in the middle, gives the
//! instance back to its pool or has it stopped.

use std::rc::Rc;
use std::time::Duration;

use isolab_core::{Error, Laps, Phase, Response};

use crate::lifecycle::Live;
use crate::pool::{Pool, Slot};

/// An instance for the time of one request.
pub(crate) struct Lease {
    pool: Rc<Pool>,
    /// There until the lease is dropped or kept.
    slot: Option<Slot>,
    /// How long starting took, if the instance was started for this request.
    pub(crate) started: Option<Duration>,
    /// False while a request is in work and after one failed: the instance may then
    /// only be stopped.
    answered: bool,
}

impl Lease {
    pub(crate) fn new(pool: &Rc<Pool>, slot: Slot) -> Self {
        Self { pool: Rc::clone(pool), slot: Some(slot), started: None, answered: true }
    }

    /// The instance, to be invoked. Until [`Lease::end`] it counts as broken: an
    /// invocation that is given up half-way leaves it so.
    pub(crate) fn begin(&mut self) -> &mut Live {
        self.answered = false;
        &mut self.slot.as_mut().expect("a lease has its slot").live
    }

    /// Notes what came of an invocation. The instance's id and how often it was used.
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

    /// Lets the instance live on without a request, whatever the policy.
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
