//! The instances of one function on one executor, on one thread.
//!
//! This is the only place that decides about reuse.

mod acquire;
pub(crate) mod capacity;
pub(crate) mod computing;
pub(crate) mod inbox;
pub(crate) mod lease;
pub(crate) mod prepare;
mod shared;
pub(crate) mod tasks;

use std::cell::{Cell, OnceCell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use isolab_core::{Cause, Error, Laps, Phase, Prepared, Reuse};
use tokio::sync::{Notify, OwnedSemaphorePermit};

pub(crate) use self::shared::Shared;

use self::capacity::Capacity;
use self::inbox::Role;
use self::lease::Lease;
use self::tasks::Tasks;
use crate::lifecycle::Live;
use crate::pace::Held;
use crate::route::Route;
use crate::telemetry::activity::{Activity, Execution, Tracked};
use crate::telemetry::metrics::CellMetrics;
use crate::telemetry::record::Entry;

pub(crate) struct Pool {
    pub(crate) route: Arc<Route>,
    shared: Arc<Shared>,
    pub(crate) metrics: Arc<CellMetrics>,
    tasks: Rc<Tasks>,
    activity: Arc<Activity>,
    /// Whether the thread is a compute thread.
    computes: bool,
    prepared: OnceCell<Arc<dyn Prepared>>,
    /// The instance used last is used next: its memory is the likeliest to be cached.
    idle: RefCell<Vec<Rc<Slot>>>,
    /// Instances that answer requests and have room for more.
    roomy: RefCell<Vec<Rc<Slot>>>,
    /// Requests that wait on this worker for this function.
    waiting: Cell<usize>,
    /// Instances that are being started.
    starting: Cell<usize>,
    /// Requests that wait for one of these.
    joining: Cell<usize>,
    /// Requests that wait for an instance of their own, or for one that is given back before.
    starters: Cell<usize>,
    /// Requests that take an instance as soon as one is given back.
    takers: Cell<usize>,
    /// How long the last start took.
    last_start: Cell<Duration>,
    /// Notified when a start has ended.
    started: Notify,
    given_back: Notify,
    /// Whether phases are kept for experiments.
    is_recording: Cell<bool>,
}

/// A live instance and the place that it takes.
pub(crate) struct Slot {
    pub(crate) live: Live,
    place: Place,
    /// How many leases the instance has.
    leases: Cell<usize>,
    /// Whether it may only be stopped.
    is_broken: Cell<bool>,
}

/// Free again when the instance has stopped, or could not be started.
struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<CellMetrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.live.sub(1);
    }
}

impl Pool {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        route: &Arc<Route>,
        thread_index: usize,
        tasks: &Rc<Tasks>,
    ) -> Self {
        let thread = &shared.threads[thread_index];
        Self {
            route: Arc::clone(route),
            shared: Arc::clone(shared),
            metrics: thread.metrics.cell(route.index),
            tasks: Rc::clone(tasks),
            activity: Arc::clone(&thread.activity),
            computes: thread.role() == Role::Compute,
            prepared: OnceCell::new(),
            idle: RefCell::default(),
            roomy: RefCell::default(),
            waiting: Cell::new(0),
            starting: Cell::new(0),
            joining: Cell::new(0),
            starters: Cell::new(0),
            takers: Cell::new(0),
            last_start: Cell::default(),
            started: Notify::new(),
            given_back: Notify::new(),
            is_recording: Cell::new(true),
        }
    }

    fn capacity(&self) -> &Capacity {
        &self.shared.capacities[self.route.executor_index]
    }

    fn over_capacity(&self, reason: String) -> Error {
        self.route.error(Phase::Start, Cause::OverCapacity(reason))
    }

    /// Notes the phase as the worker's activity while `future` is polled.
    fn track<F: Future + Unpin>(&self, phase: Phase, instance: Option<u64>, future: F) -> Tracked<'_, F> {
        self.activity.track(Execution { route: self.route.index, phase, instance }, future)
    }

    /// Prepares the function unless that is done. Returns how long preparing took if
    /// this call began it.
    pub(crate) async fn prepare(&self) -> Result<Option<Duration>, Error> {
        if self.prepared.get().is_some() {
            return Ok(None);
        }
        let (prepared, paid) = Box::pin(prepare::prepared(&self.shared, &self.route)).await?;
        let _ = self.prepared.set(prepared);
        Ok(paid)
    }

    fn prepared(&self) -> &Arc<dyn Prepared> {
        self.prepared.get().expect("requests prepare before they acquire")
    }

    /// How often an instance may be invoked at most; `None` means without limit.
    pub(crate) fn max_uses(&self) -> Option<u64> {
        self.prepared().max_uses()
    }

    /// Whether instances take and give bodies as streams. Call [`Pool::prepare`] before.
    pub(crate) fn streams(&self) -> bool {
        self.prepared().streams()
    }

    /// How many requests an instance may answer at the same time.
    fn max_concurrency(&self) -> usize {
        self.prepared().max_concurrency()
    }

    /// The number of places for instances of this executor.
    pub(crate) fn places(&self) -> usize {
        self.capacity().instances
    }

    /// A place for one more instance, if one is free now.
    pub(crate) fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.capacity().places).try_acquire_owned().ok()
    }

    /// Counts a phase, and keeps it if an experiment records phases.
    pub(crate) fn observe<T>(
        &self,
        phase: Phase,
        result: &Result<T, Error>,
        (duration, waited): (Duration, Duration),
        laps: &Laps,
        instance: Option<(u64, u64)>,
    ) {
        self.metrics.phase(phase).record(duration);
        if let Some(recorder) = self.shared.recorder.as_ref().filter(|_| self.is_recording.get()) {
            recorder
                .push(Entry::new(&self.route, phase, result, (duration, waited), laps).instance(instance));
        }
    }

    /// Draws conclusions about the route's pace from a phase that held the thread for so long.
    pub(crate) fn judge(&self, phase: Phase, held: Held) {
        let pace = &self.route.pace;
        if pace.is_as_expected(held.longest) || !self.shared.computing.is_on() {
            return;
        }
        if let Some(change) = pace.judge(phase, held) {
            self.shared.leave(self.route.index, change);
        }
    }

    /// Whether the route's requests come to this kind of thread.
    pub(crate) fn is_needed(&self) -> bool {
        !self.route.is_replaced() && self.route.pace.is_slow() == self.computes
    }

    fn is_reusable(&self, uses: u64) -> bool {
        // An idle instance without uses was started for a client that has left. Under
        // `fresh` no other request gets it: its response could not say what it cost.
        let reuse = self.shared.reuse;
        reuse != Reuse::Fresh && reuse.allows(uses) && self.max_uses().is_none_or(|most| uses < most)
    }

    /// An idle instance if the policy allows it, or one with room for one more request.
    fn find_free(&self) -> Option<Rc<Slot>> {
        self.pop_reusable().or_else(|| self.find_room())
    }

    /// An instance that answers requests and may be given one more.
    fn find_room(&self) -> Option<Rc<Slot>> {
        let mut roomy = self.roomy.borrow_mut();
        while let Some(slot) = roomy.last() {
            if !slot.is_broken.get() && self.is_reusable(slot.live.uses()) {
                return Some(Rc::clone(slot));
            }
            roomy.pop();
        }
        None
    }

    /// After the number of leases of an instance changed: whether another request may share it.
    fn share(&self, slot: &Rc<Slot>) {
        let most = self.max_concurrency();
        if most == 1 {
            return;
        }
        let mut roomy = self.roomy.borrow_mut();
        let found = roomy.iter().position(|other| Rc::ptr_eq(other, slot));
        match found {
            Some(index) if slot.leases.get() >= most => drop(roomy.swap_remove(index)),
            None if slot.leases.get() < most => roomy.push(Rc::clone(slot)),
            _ => {}
        }
        if slot.leases.get() < most {
            self.wake_one();
        }
    }

    fn pop_reusable(&self) -> Option<Rc<Slot>> {
        let slot = self.idle.borrow_mut().pop_if(|slot| self.is_reusable(slot.live.uses()))?;
        self.metrics.idle.sub(1);
        Some(slot)
    }

    /// Takes an idle instance, whatever the reuse policy.
    pub(crate) fn pop_idle(&self) -> Option<Rc<Slot>> {
        let slot = self.idle.borrow_mut().pop()?;
        self.metrics.idle.sub(1);
        Some(slot)
    }

    /// Turns the record of phases on or off: the record takes memory of this process,
    /// which some experiments measure.
    pub(crate) fn record(&self, is_recording: bool) {
        self.is_recording.set(is_recording);
    }

    /// Leases an idle instance, whatever the reuse policy.
    pub(crate) fn lease_idle(self: &Rc<Self>) -> Option<Lease> {
        self.pop_idle().map(|slot| Lease::new(self, slot))
    }

    pub(crate) fn idle_len(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Calls `visit` with every idle instance.
    pub(crate) fn each_idle(&self, visit: impl FnMut(&Live)) {
        self.idle.borrow().iter().map(|slot| &slot.live).for_each(visit);
    }

    pub(crate) fn put_idle(&self, slot: Rc<Slot>) {
        self.idle.borrow_mut().push(slot);
        self.metrics.idle.add(1);
        self.wake_one();
    }

    /// Takes an instance back after one of its requests.
    pub(crate) fn give_back(self: &Rc<Self>, slot: Rc<Slot>) {
        let is_shared = self.max_concurrency() > 1;
        if slot.leases.get() > 0 {
            // It has room again.
            if !slot.is_broken.get() {
                self.share(&slot);
            }
            return;
        }
        if is_shared {
            self.roomy.borrow_mut().retain(|other| !Rc::ptr_eq(other, &slot));
        }
        // A request that waits in another pool needs the place, not this instance.
        let wanted_elsewhere = self.waiting.get() == 0 && self.capacity().waiting() > 0;
        let is_wanted = self.is_needed() && !wanted_elsewhere;
        if !slot.is_broken.get() && self.is_reusable(slot.live.uses()) && is_wanted {
            self.put_idle(slot);
        } else {
            self.retire(slot);
        }
    }

    fn wake_one(&self) {
        if self.takers.get() > 0 {
            self.given_back.notify_one();
        }
    }

    /// Stops all idle instances.
    pub(crate) fn retire_idle(self: &Rc<Self>) {
        while let Some(slot) = self.pop_idle() {
            self.retire(slot);
        }
    }

    /// Stops an instance after its response has been written.
    pub(crate) fn retire(self: &Rc<Self>, slot: Rc<Slot>) {
        let pool = Rc::clone(self);
        self.tasks.defer(async move { pool.stop(slot).await });
    }

    /// Stops an instance now. A failure is only logged.
    pub(crate) async fn stop(&self, slot: Rc<Slot>) {
        let Some(Slot { live, place, .. }) = Rc::into_inner(slot) else {
            unreachable!("an instance is stopped after its last lease");
        };
        let is_billed = self.shared.bill && live.is_billed();
        if is_billed {
            self.metrics.bill.outside.add(live.close_bill());
        }
        let instance = Some((live.id(), live.uses()));
        let id = live.id();
        let stopping = live.stop_as(is_billed || !self.route.pace.is_settled());
        let timed = self.track(Phase::Stop, Some(id), pin!(stopping)).await;
        if let Some(usage) = timed.usage.filter(|_| is_billed) {
            self.metrics.bill.phase(Phase::Stop).add(usage);
        }
        self.judge(Phase::Stop, timed.held());
        self.observe(Phase::Stop, &timed.value, (timed.duration, timed.waited), &timed.laps, instance);
        if let Err(error) = timed.value {
            tracing::error!("{error}");
        }
        drop(place);
    }
}
