//! The instances of one function on one executor, on one thread.
//!
//! This is the only place that decides about reuse.

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
use std::task::Poll;
use std::time::Duration;

use isolab_core::{Cause, Error, Laps, Phase, Prepared, Reuse};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

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

/// The thing that a request waits for: an idle instance, or the permit to start one.
enum Granted {
    Idle(Rc<Slot>),
    Place(OwnedSemaphorePermit),
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
            metrics: Arc::clone(thread.metrics.cell(route.index)),
            tasks: Rc::clone(tasks),
            activity: Arc::clone(&thread.activity),
            computes: thread.role() == Role::Compute,
            prepared: OnceCell::new(),
            idle: RefCell::default(),
            roomy: RefCell::default(),
            waiting: Cell::new(0),
            starting: Cell::new(0),
            joining: Cell::new(0),
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

    /// An instance for one request: an idle one if the policy allows it, or one with room for one
    /// more request; else a new one if there is a place; else whichever comes first. A start is metered if it is billed.
    /// Call [`Pool::prepare`] before.
    pub(crate) async fn acquire(self: &Rc<Self>, is_billed: bool) -> Result<Lease, Error> {
        // A new request must not overtake those that wait.
        if self.waiting.get() == 0 {
            if let Some(slot) = self.pop_reusable() {
                return Ok(Lease::new(self, slot));
            }
            if let Some(slot) = self.find_room() {
                return Ok(Lease::new(self, slot));
            }
            if self.will_have_room(self.joining.get())
                && let Some(slot) = Box::pin(self.await_start()).await?
            {
                return Ok(Lease::new(self, slot));
            }
            if let Some(permit) = self.try_place() {
                return self.start(permit, is_billed).await;
            }
        }
        match Box::pin(self.wait()).await? {
            Granted::Idle(slot) => Ok(Lease::new(self, slot)),
            Granted::Place(permit) => self.start(permit, is_billed).await,
        }
    }

    /// Whether the instances that are being started can take one more request than `others`. Many
    /// requests at once then share a new instance, and each of them does not start its own.
    fn will_have_room(&self, others: usize) -> bool {
        // The first request of an instance is the one that starts it.
        let room = self.starting.get() * (self.max_concurrency() - 1);
        self.shared.reuse == Reuse::Warm && self.max_uses().is_none() && others < room
    }

    /// Waits until a start has ended. Returns an instance, if there is one with room.
    async fn await_start(&self) -> Result<Option<Rc<Slot>>, Error> {
        let wait = self.shared.queue_wait;
        let late = |_| self.over_capacity(format!("no instance was started within {wait:?}"));
        let started = async {
            let _joining = Waiter::new(&self.joining);
            while self.will_have_room(self.joining.get() - 1) {
                self.started.notified().await;
                if let Some(slot) = self.find_room() {
                    return Some(slot);
                }
            }
            None
        };
        tokio::time::timeout(wait, started).await.map_err(late)
    }

    /// The number of places for instances of this executor.
    pub(crate) fn places(&self) -> usize {
        self.capacity().instances
    }

    /// A place for one more instance, if one is free now.
    pub(crate) fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.capacity().places).try_acquire_owned().ok()
    }

    async fn wait(&self) -> Result<Granted, Error> {
        let capacity = self.capacity();
        let full = || {
            let most = capacity.instances;
            self.over_capacity(format!("all {most} instances are in use, and the queue is full"))
        };
        let _queued = capacity.queue.join().ok_or_else(full)?;
        let _waiter = Waiter::new(&self.waiting);
        // Idle instances of other functions and workers hold places, too.
        self.shared.evict(self.route.executor_index);

        let wait = self.shared.queue_wait;
        let late = |_| self.over_capacity(format!("no instance became free within {wait:?}"));
        tokio::time::timeout(wait, self.granted()).await.map_err(late)
    }

    async fn granted(&self) -> Granted {
        let mut place = pin!(Arc::clone(&self.capacity().places).acquire_owned());
        loop {
            tokio::select! {
                biased;
                permit = &mut place => return Granted::Place(permit.expect("the semaphore is never closed")),
                () = self.given_back.notified() => {
                    if let Some(slot) = self.pop_reusable().or_else(|| self.find_room()) {
                        return Granted::Idle(slot);
                    }
                }
            }
        }
    }

    /// Starts an instance. A start that takes more than one poll goes on without the
    /// client, so that a client that leaves does not leave a half-made sandbox behind.
    pub(crate) async fn start(
        self: &Rc<Self>,
        permit: OwnedSemaphorePermit,
        is_billed: bool,
    ) -> Result<Lease, Error> {
        let mut starting = Box::pin(Rc::clone(self).start_here(permit, is_billed));
        match futures_util::poll!(&mut starting) {
            Poll::Ready(started) => started,
            Poll::Pending => {
                let (sender, receiver) = oneshot::channel();
                self.tasks.spawn(async move {
                    // Without a receiver the lease is dropped, which returns or stops the instance.
                    let _ = sender.send(starting.await);
                });
                receiver.await.unwrap_or_else(|_| {
                    let cause = Cause::Internal("the executor panicked; see the server's log".into());
                    Err(self.route.error(Phase::Start, cause))
                })
            }
        }
    }

    async fn start_here(
        self: Rc<Self>,
        permit: OwnedSemaphorePermit,
        is_billed: bool,
    ) -> Result<Lease, Error> {
        self.metrics.live.add(1);
        let place = Place { _permit: permit, metrics: Arc::clone(&self.metrics) };
        let _counted = Starting::begin(&self);
        let is_metered = is_billed || !self.route.pace.is_settled();
        let starting = Live::start_as(is_metered, &**self.prepared());
        let timed = self.track(Phase::Start, None, pin!(starting)).await;
        let instance = timed.value.as_ref().ok().map(|live| (live.id(), live.uses()));
        self.observe(Phase::Start, &timed.value, (timed.duration, timed.waited), &timed.laps, instance);
        self.judge(Phase::Start, timed.held());
        let usage = timed.usage.filter(|_| is_billed);
        if let Some(usage) = usage {
            self.metrics.bill.phase(Phase::Start).add(usage);
        }
        let live = timed.value?;
        let slot = Slot { live, place, leases: Cell::new(0), is_broken: Cell::new(false) };
        let mut lease = Lease::new(&self, Rc::new(slot));
        lease.started = Some(timed.duration);
        lease.start_usage = usage.map(Box::new);
        Ok(lease)
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
        self.route.pace.is_slow() == self.computes
    }

    fn is_reusable(&self, uses: u64) -> bool {
        // An idle instance without uses was started for a client that has left. Under
        // `fresh` no other request gets it: its response could not say what it cost.
        let reuse = self.shared.reuse;
        reuse != Reuse::Fresh && reuse.allows(uses) && self.max_uses().is_none_or(|most| uses < most)
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
        if self.waiting.get() > 0 {
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

/// Counts a start until it has ended, also without success.
struct Starting<'a>(&'a Pool);

impl<'a> Starting<'a> {
    fn begin(pool: &'a Pool) -> Self {
        pool.starting.set(pool.starting.get() + 1);
        Self(pool)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.starting.set(self.0.starting.get() - 1);
        self.0.started.notify_waiters();
    }
}

/// Counts a waiting request until it is dropped.
struct Waiter<'a>(&'a Cell<usize>);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
