//! The instances of one function on one executor, on one worker.
//!
//! Reuse is decided here and nowhere else.

pub(crate) mod capacity;
pub(crate) mod lease;
pub(crate) mod prepare;
pub(crate) mod tasks;

use std::cell::{Cell, OnceCell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use isolab_core::{Cause, Error, Laps, Phase, Prepared, Reuse};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use crate::lifecycle::Live;
use crate::pool::capacity::Capacity;
use crate::pool::lease::Lease;
use crate::pool::tasks::Tasks;
use crate::route::Route;
use crate::shared::Shared;
use crate::telemetry::metrics::CellMetrics;
use crate::telemetry::record;

pub(crate) struct Pool {
    pub(crate) route: Arc<Route>,
    shared: Arc<Shared>,
    pub(crate) metrics: Arc<CellMetrics>,
    tasks: Rc<Tasks>,
    prepared: OnceCell<Arc<dyn Prepared>>,
    /// The one used last is used next: its memory is the likeliest to be cached.
    idle: RefCell<Vec<Slot>>,
    /// Requests that wait on this worker for this function.
    waiting: Cell<usize>,
    given_back: Notify,
    /// Whether phases are kept for experiments.
    is_recording: Cell<bool>,
}

/// A live instance and the place it takes.
pub(crate) struct Slot {
    pub(crate) live: Live,
    place: Place,
}

/// Given back when the instance has stopped, or could not be started.
struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<CellMetrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.live.sub(1);
    }
}

/// What a request got after waiting.
enum Turn {
    Idle(Slot),
    Place(OwnedSemaphorePermit),
}

impl Pool {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        route: &Arc<Route>,
        metrics: &Arc<CellMetrics>,
        tasks: &Rc<Tasks>,
    ) -> Self {
        Self {
            route: Arc::clone(route),
            shared: Arc::clone(shared),
            metrics: Arc::clone(metrics),
            tasks: Rc::clone(tasks),
            prepared: OnceCell::new(),
            idle: RefCell::default(),
            waiting: Cell::new(0),
            given_back: Notify::new(),
            is_recording: Cell::new(true),
        }
    }

    fn capacity(&self) -> &Capacity {
        &self.shared.capacities[self.route.executor_index]
    }

    fn over_capacity(&self, reason: String) -> Error {
        let Route { served, function, .. } = &*self.route;
        Error::new(Phase::Start, &served.spec, function.name(), Cause::OverCapacity(reason))
    }

    /// Prepares the function unless that is done. The time it took, if this call is
    /// the one that had it done.
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

    /// How often an instance may be invoked at most.
    pub(crate) fn max_uses(&self) -> Option<u64> {
        self.prepared().max_uses()
    }

    /// An instance for one request: an idle one if the policy allows, else a new one
    /// if there is a place, else whichever comes first. [`Pool::prepare`] comes first.
    pub(crate) async fn acquire(self: &Rc<Self>) -> Result<Lease, Error> {
        // Who comes now must not overtake those who wait.
        if self.waiting.get() == 0 {
            if let Some(slot) = self.pop_reusable() {
                return Ok(Lease::new(self, slot));
            }
            if let Some(permit) = self.try_place() {
                return self.start(permit).await;
            }
        }
        match Box::pin(self.wait()).await? {
            Turn::Idle(slot) => Ok(Lease::new(self, slot)),
            Turn::Place(permit) => self.start(permit).await,
        }
    }

    /// A place for one more instance, if there is one now.
    pub(crate) fn try_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.capacity().places).try_acquire_owned().ok()
    }

    async fn wait(&self) -> Result<Turn, Error> {
        let capacity = self.capacity();
        let full =
            || self.over_capacity(format!("{} instances live, and the queue is full", capacity.instances));
        let _turn = capacity.queue.enter().ok_or_else(full)?;
        let _waiter = Waiter::new(&self.waiting);
        // Instances that idle elsewhere hold places as well.
        self.shared.evict(self.route.executor_index);

        let wait = self.shared.config.bounds.queue_wait;
        let late = |_| self.over_capacity(format!("no instance became free within {wait:?}"));
        tokio::time::timeout(wait, self.next_turn()).await.map_err(late)
    }

    async fn next_turn(&self) -> Turn {
        let mut place = pin!(Arc::clone(&self.capacity().places).acquire_owned());
        loop {
            tokio::select! {
                biased;
                permit = &mut place => return Turn::Place(permit.expect("the semaphore is never closed")),
                () = self.given_back.notified() => {
                    if let Some(slot) = self.pop_reusable() {
                        return Turn::Idle(slot);
                    }
                }
            }
        }
    }

    /// Starts an instance. Where that takes longer than one poll it goes on without
    /// the client, so that no half-made sandbox is left when the client goes away.
    pub(crate) async fn start(self: &Rc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease, Error> {
        let mut starting = Box::pin(Rc::clone(self).start_here(permit));
        match futures_util::poll!(&mut starting) {
            Poll::Ready(started) => started,
            Poll::Pending => {
                let (sender, receiver) = oneshot::channel();
                self.tasks.spawn(async move {
                    // Without a receiver the lease is dropped, which sees to the instance.
                    let _ = sender.send(starting.await);
                });
                receiver.await.unwrap_or_else(|_| {
                    let Route { served, function, .. } = &*self.route;
                    let cause = Cause::Internal("starting panicked; see the log".into());
                    Err(Error::new(Phase::Start, &served.spec, function.name(), cause))
                })
            }
        }
    }

    async fn start_here(self: Rc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease, Error> {
        self.metrics.live.add(1);
        let place = Place { _permit: permit, metrics: Arc::clone(&self.metrics) };
        let timed = Live::start(&**self.prepared()).await;
        let instance = timed.value.as_ref().ok().map(|live| (live.id(), live.uses()));
        self.observe(Phase::Start, &timed.value, timed.duration, &timed.laps, instance);
        let mut lease = Lease::new(&self, Slot { live: timed.value?, place });
        lease.started = Some(timed.duration);
        Ok(lease)
    }

    /// Counts a phase, and keeps it where experiments want it.
    pub(crate) fn observe<T>(
        &self,
        phase: Phase,
        result: &Result<T, Error>,
        duration: Duration,
        laps: &Laps,
        instance: Option<(u64, u64)>,
    ) {
        self.metrics.phase(phase).record(duration);
        if let Some(recorder) = self.shared.recorder.as_ref().filter(|_| self.is_recording.get()) {
            recorder.push(record::Entry::new(&self.route, phase, result, duration, laps).instance(instance));
        }
    }

    fn is_reusable(&self, uses: u64) -> bool {
        // An instance without uses is only there if a client left before it could ask;
        // under `fresh` it is not given to another, who could not tell what it cost.
        let reuse = self.shared.config.reuse;
        reuse != Reuse::Fresh && reuse.allows(uses) && self.max_uses().is_none_or(|most| uses < most)
    }

    fn pop_reusable(&self) -> Option<Slot> {
        let slot = self.idle.borrow_mut().pop_if(|slot| self.is_reusable(slot.live.uses()))?;
        self.metrics.idle.sub(1);
        Some(slot)
    }

    /// Takes an idle instance, whatever the policy.
    pub(crate) fn pop_idle(&self) -> Option<Slot> {
        let slot = self.idle.borrow_mut().pop()?;
        self.metrics.idle.sub(1);
        Some(slot)
    }

    /// Keeps phases for experiments from now on, or does not: what is kept is memory of
    /// this process, which some of them measure.
    pub(crate) fn record(&self, is_recording: bool) {
        self.is_recording.set(is_recording);
    }

    /// The same, as for a request.
    pub(crate) fn lease_idle(self: &Rc<Self>) -> Option<Lease> {
        self.pop_idle().map(|slot| Lease::new(self, slot))
    }

    pub(crate) fn idle_len(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Asks every idle instance something.
    pub(crate) fn each_idle(&self, ask: impl FnMut(&mut Live)) {
        self.idle.borrow_mut().iter_mut().map(|slot| &mut slot.live).for_each(ask);
    }

    pub(crate) fn put_idle(&self, slot: Slot) {
        self.idle.borrow_mut().push(slot);
        self.metrics.idle.add(1);
        if self.waiting.get() > 0 {
            self.given_back.notify_one();
        }
    }

    /// Takes an instance after its request.
    pub(crate) fn give_back(self: &Rc<Self>, slot: Slot, answered: bool) {
        // Whoever waits elsewhere needs the place; who waits here, the instance.
        let wanted_elsewhere = self.waiting.get() == 0 && self.capacity().waiting() > 0;
        if answered && self.is_reusable(slot.live.uses()) && !wanted_elsewhere {
            self.put_idle(slot);
        } else {
            self.retire(slot);
        }
    }

    /// Stops an instance after the response that it gave is on its way.
    pub(crate) fn retire(self: &Rc<Self>, slot: Slot) {
        let pool = Rc::clone(self);
        self.tasks.defer(async move { pool.stop(slot).await });
    }

    /// Stops an instance now. Nobody waits for what comes of it but the log.
    pub(crate) async fn stop(&self, slot: Slot) {
        let Slot { live, place } = slot;
        let instance = Some((live.id(), live.uses()));
        let timed = live.stop().await;
        self.observe(Phase::Stop, &timed.value, timed.duration, &timed.laps, instance);
        if let Err(error) = timed.value {
            tracing::error!("{error}");
        }
        drop(place);
    }
}

/// Counts a request among those that wait, until it is dropped.
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
