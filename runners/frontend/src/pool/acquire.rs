//! From a request to its instance: one that is free, one that is started, or one that another request gives back.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use isolab_core::{Cause, Error, Phase, Reuse};
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::lease::Lease;
use super::{Place, Pool, Slot};
use crate::lifecycle::Live;

/// The thing that a request waits for: an idle instance, or the permit to start one.
enum Granted {
    Idle(Rc<Slot>),
    Place(OwnedSemaphorePermit),
}

/// A start after its first poll.
enum Begun {
    Ended(Result<Lease, Error>),
    Goes(oneshot::Receiver<Result<Lease, Error>>),
}

impl Pool {
    /// An instance for one request: an idle one if the policy allows it, or one with room for one
    /// more request; else one that has been started for a request that has another one meanwhile; else
    /// a new one if there is a place; else whichever comes first. A start is metered if it is billed.
    /// Call [`Pool::prepare`] before.
    pub(crate) async fn acquire(self: &Rc<Self>, is_billed: bool) -> Result<Lease, Error> {
        // A new request must not overtake those that wait.
        if self.waiting.get() == 0 {
            if let Some(slot) = self.find_free() {
                return Ok(Lease::new(self, slot));
            }
            if self.will_have_room(self.joining.get())
                && let Some(slot) = Box::pin(self.await_start()).await?
            {
                return Ok(Lease::new(self, slot));
            }
        }
        if let Err(pause) = self.admit()
            && let Some(slot) = Box::pin(self.sit_out(pause)).await?
        {
            return Ok(Lease::new(self, slot));
        }
        if self.waiting.get() == 0
            && let Some(permit) = self.try_place()
        {
            return self.start_or_reuse(permit, is_billed).await;
        }
        match Box::pin(self.wait()).await? {
            Granted::Idle(slot) => Ok(Lease::new(self, slot)),
            Granted::Place(permit) => self.start_or_reuse(permit, is_billed).await,
        }
    }

    /// Whether the function may start an instance, after the deaths of others.
    fn admit(&self) -> Result<(), Duration> {
        if self.prepared().holds_thread() {
            return Ok(());
        }
        self.route.backoff.admit(self.last_start.get(), Instant::now())
    }

    /// Waits until the function may start an instance again, or another request gives one back. The wait slows
    /// down a client that asks again at once.
    async fn sit_out(&self, mut pause: Duration) -> Result<Option<Rc<Slot>>, Error> {
        let refused = |pause: Duration| {
            let seconds = pause.as_secs_f64();
            self.over_capacity(format!("its instances keep dying; the next one starts in {seconds:.1} s"))
        };
        let _queued = self.route.backoff.join().ok_or_else(|| refused(pause))?;
        let end = Instant::now() + self.shared.queue_wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if let Ok(slot) = tokio::time::timeout(pause.min(left), self.given_back()).await {
                return Ok(Some(slot));
            }
            match self.admit() {
                Ok(()) => return Ok(None),
                Err(still) if Instant::now() >= end => return Err(refused(still)),
                Err(still) => pause = still,
            }
        }
    }

    /// Whether the instances that are being started can take one more request than `others`. A request may
    /// have left the instance that was started for it, for one that was given back. Requests that share an
    /// instance take a new one together. Without this rule each request of a slow spell starts an instance
    /// of its own, and the starts make the spell slower: containers once became a thousand in this way.
    fn will_have_room(&self, others: usize) -> bool {
        let is_shared = self.shared.reuse == Reuse::Warm && self.max_uses().is_none();
        let each = if is_shared { self.max_concurrency() } else { 1 };
        let room = (self.starting.get() * each).saturating_sub(self.starters.get());
        self.shared.reuse != Reuse::Fresh && others < room
    }

    /// Waits until a start has ended, or an instance is given back before. Returns an instance, if there is
    /// one with room.
    async fn await_start(&self) -> Result<Option<Rc<Slot>>, Error> {
        let wait = self.shared.queue_wait;
        let late = |_| self.over_capacity(format!("no instance was started within {wait:?}"));
        let started = async {
            let _joining = Waiter::new(&self.joining);
            while self.will_have_room(self.joining.get() - 1) {
                tokio::select! {
                    biased;
                    slot = self.given_back() => return Some(slot),
                    () = self.started.notified() => {}
                }
                if let Some(slot) = self.find_free() {
                    return Some(slot);
                }
            }
            None
        };
        tokio::time::timeout(wait, started).await.map_err(late)
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
        let place = Arc::clone(&self.capacity().places).acquire_owned();
        tokio::select! {
            biased;
            permit = place => Granted::Place(permit.expect("the semaphore is never closed")),
            slot = self.given_back() => Granted::Idle(slot),
        }
    }

    /// An instance that another request gives back.
    async fn given_back(&self) -> Rc<Slot> {
        let _taker = Waiter::new(&self.takers);
        loop {
            self.given_back.notified().await;
            if let Some(slot) = self.find_free() {
                return slot;
            }
        }
    }

    /// Starts an instance, and takes whichever comes first: that one, or one that another request gives back.
    /// A container takes a tenth of a second to start, and seconds on a busy host.
    async fn start_or_reuse(
        self: &Rc<Self>,
        permit: OwnedSemaphorePermit,
        is_billed: bool,
    ) -> Result<Lease, Error> {
        let mut starting = match self.begin_start(permit, is_billed).await {
            Begun::Ended(started) => return started,
            Begun::Goes(starting) => starting,
        };
        let _starter = Waiter::new(&self.starters);
        tokio::select! {
            biased;
            started = &mut starting => self.started(started),
            slot = self.given_back() => Ok(Lease::new(self, slot)),
        }
    }

    /// Starts an instance.
    pub(crate) async fn start(
        self: &Rc<Self>,
        permit: OwnedSemaphorePermit,
        is_billed: bool,
    ) -> Result<Lease, Error> {
        match self.begin_start(permit, is_billed).await {
            Begun::Ended(started) => started,
            Begun::Goes(starting) => self.started(starting.await),
        }
    }

    /// Begins to start an instance. A start that takes more than one poll goes on without the
    /// client, so that a client that leaves does not leave a half-made sandbox behind.
    async fn begin_start(self: &Rc<Self>, permit: OwnedSemaphorePermit, is_billed: bool) -> Begun {
        let mut starting = Box::pin(Rc::clone(self).start_here(permit, is_billed));
        match futures_util::poll!(&mut starting) {
            Poll::Ready(started) => Begun::Ended(started),
            Poll::Pending => {
                let (sender, receiver) = oneshot::channel();
                self.tasks.spawn(async move {
                    // Without a receiver the lease is dropped, which returns or stops the instance.
                    let _ = sender.send(starting.await);
                });
                Begun::Goes(receiver)
            }
        }
    }

    /// The result of a start that went on; none if it panicked.
    fn started(&self, result: Result<Result<Lease, Error>, RecvError>) -> Result<Lease, Error> {
        result.unwrap_or_else(|_| {
            let cause = Cause::Internal("the executor panicked; see the server's log".into());
            Err(self.route.error(Phase::Start, cause))
        })
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
        self.last_start.set(timed.duration);
        let mut lease = Lease::new(&self, Rc::new(slot));
        lease.started = Some(timed.duration);
        lease.start_usage = usage.map(Box::new);
        Ok(lease)
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
