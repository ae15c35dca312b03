//! Which compute thread a request of a slow route gets.
//!
//! A thread has requests of one route at a time. A second request joins the first only if that one
//! has waited for something, so it begins at once. No route takes more threads than it leaves:
//! one that computes without end leaves half of them, and a second one a quarter.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isolab_core::streams::Pieces;
use isolab_core::{Cause, Error, Phase, Request};
use tokio::sync::{Notify, oneshot};

use super::shared::Shared;
use crate::answer::Computed;
use crate::bill::Billing;
use crate::queue::Queue;
use crate::route::{Loss, Route};

/// A route that has cost this many threads is refused. Requests that are in work by then may cost
/// some more.
const LOST_OF_ROUTE: usize = 4;

/// A request for a compute thread.
pub(crate) struct Job {
    pub(crate) route: Arc<Route>,
    pub(crate) request: Request,
    /// The pieces of its body that follow.
    pub(crate) rest: Option<Pieces>,
    pub(crate) billing: Billing,
    pub(crate) grant: Grant,
    pub(crate) reply: oneshot::Sender<Computed>,
    /// Closed when nobody waits for the reply.
    pub(crate) gone: oneshot::Receiver<()>,
}

/// The compute threads of a server.
pub(crate) struct Computing {
    /// The most threads; 0 switches compute threads off.
    most: usize,
    queue: Queue,
    scheduler: Mutex<Scheduler>,
    /// Notified when the server should start one more thread.
    pub(crate) wanted: Notify,
}

#[derive(Default)]
struct Scheduler {
    /// The threads that run, by index.
    threads: BTreeMap<usize, Thread>,
    /// Threads that are wanted and do not run yet.
    starting: usize,
    /// Those of them that nobody starts yet.
    asked: usize,
    /// Threads that were lost and cannot be replaced.
    given_up: usize,
    /// In the order of arrival.
    waiting: VecDeque<Waiting>,
    next_job: u64,
}

#[derive(Default)]
struct Thread {
    /// The route of its requests. An idle thread keeps the route of its last request.
    route: usize,
    jobs: Vec<Running>,
}

struct Running {
    id: u64,
    /// Whether it has waited for something at least once.
    has_waited: bool,
    lost: oneshot::Sender<Loss>,
}

struct Waiting {
    route: usize,
    granted: oneshot::Sender<Granted>,
}

/// A compute thread for one request, and the news that the thread is lost.
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    pub(crate) lost: oneshot::Receiver<Loss>,
}

/// One request's right to a compute thread, until it is dropped.
pub(crate) struct Grant {
    shared: Arc<Shared>,
    pub(crate) thread: usize,
    pub(crate) id: u64,
    is_void: bool,
}

enum Choice {
    Thread(usize),
    Start,
    Wait,
}

impl Computing {
    /// Has `most` threads at most, and a queue of this length for each kind of waiting.
    pub(crate) fn new(most: usize, queue: usize) -> Self {
        Self { most, queue: Queue::new(queue), scheduler: Mutex::default(), wanted: Notify::new() }
    }

    /// Whether there are compute threads at all.
    pub(crate) fn is_on(&self) -> bool {
        self.most > 0
    }

    fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        // No code that can panic runs under the lock.
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a route's requests that wait for a thread.
    pub(crate) fn waiting(&self, route: usize) -> usize {
        let scheduler = self.scheduler();
        let waits = |waiting: &&Waiting| waiting.route == route && !waiting.granted.is_closed();
        scheduler.waiting.iter().filter(waits).count()
    }

    /// Whether threads were lost that cannot be replaced.
    fn is_short(&self) -> bool {
        self.scheduler().given_up > 0
    }

    /// Whether one more thread should be started. Then the caller must start it.
    pub(crate) fn take_wanted(&self) -> bool {
        let mut scheduler = self.scheduler();
        let is_asked = scheduler.asked > 0;
        scheduler.asked = scheduler.asked.saturating_sub(1);
        is_asked
    }

    /// Tells the requests of a thread that it is lost. The caller must start one.
    pub(crate) fn lose(&self, thread: usize, phase: Phase, guilty: u64) {
        let mut scheduler = self.scheduler();
        let Some(lost) = scheduler.threads.remove(&thread) else { return };
        scheduler.starting += 1;
        drop(scheduler);
        for job in lost.jobs {
            // The client may have left.
            let _ = job.lost.send(Loss { phase, is_guilty: job.id == guilty });
        }
    }

    /// A thread that was asked for cannot be started.
    pub(crate) fn give_up(&self) {
        let mut scheduler = self.scheduler();
        scheduler.starting = scheduler.starting.saturating_sub(1);
        scheduler.given_up += 1;
        if scheduler.given_up >= self.most {
            scheduler.waiting.clear();
        }
    }
}

impl Scheduler {
    fn choose(&self, route: usize, most: usize, has_idle: impl Fn(usize) -> bool) -> Choice {
        let usable = most.saturating_sub(self.given_up);
        let busy = || self.threads.iter().filter(|(_, thread)| !thread.jobs.is_empty());
        let own = || busy().filter(|(_, thread)| thread.route == route);
        let mut free = self.threads.iter().filter(|(_, thread)| thread.jobs.is_empty());
        let may_take = own().count() < usable.saturating_sub(busy().count());
        if may_take && let Some((thread, _)) = free.clone().find(|(thread, _)| has_idle(**thread)) {
            return Choice::Thread(*thread);
        }
        let mut open = own().filter(|(_, thread)| thread.jobs.iter().all(|job| job.has_waited));
        let open = open.by_ref().min_by_key(|(_, thread)| thread.jobs.len());
        if let Some((thread, _)) = open.or_else(|| free.next().filter(|_| may_take)) {
            return Choice::Thread(*thread);
        }
        let may_start = may_take && self.threads.len() + self.starting < usable;
        if may_start { Choice::Start } else { Choice::Wait }
    }

    fn begin(&mut self, shared: &Arc<Shared>, thread: usize, route: usize) -> Granted {
        let id = self.next_job;
        self.next_job += 1;
        let (sender, lost) = oneshot::channel();
        let entry = self.threads.entry(thread).or_default();
        entry.route = route;
        entry.jobs.push(Running { id, has_waited: false, lost: sender });
        Granted { grant: Grant { shared: Arc::clone(shared), thread, id, is_void: false }, lost }
    }

    fn end(&mut self, thread: usize, id: u64) {
        // A thread that was lost is not among them any more.
        if let Some(thread) = self.threads.get_mut(&thread) {
            thread.jobs.retain(|job| job.id != id);
        }
    }

    /// Gives threads to requests that wait.
    fn assign(&mut self, shared: &Arc<Shared>) {
        let mut blocked = Vec::new();
        let mut index = 0;
        while let Some(waiting) = self.waiting.get(index) {
            let route = waiting.route;
            if waiting.granted.is_closed() {
                self.waiting.remove(index);
            } else if blocked.contains(&route) {
                index += 1;
            } else {
                match self.choose(route, shared.computing.most, |thread| shared.has_idle(thread, route)) {
                    Choice::Thread(thread) => {
                        let waiting = self.waiting.remove(index).expect("it was there a moment ago");
                        let granted = self.begin(shared, thread, route);
                        if let Err(mut granted) = waiting.granted.send(granted) {
                            // The client has left at this moment.
                            granted.grant.is_void = true;
                            self.end(thread, granted.grant.id);
                        }
                    }
                    choice => {
                        if matches!(choice, Choice::Start) && self.starting < self.waiting.len() {
                            self.starting += 1;
                            self.asked += 1;
                            shared.computing.wanted.notify_one();
                        }
                        blocked.push(route);
                        index += 1;
                    }
                }
            }
        }
    }
}

impl Shared {
    /// Whether a thread has an idle instance of this route.
    fn has_idle(&self, thread: usize, route: usize) -> bool {
        self.threads[thread].metrics.existing(route).is_some_and(|cell| cell.idle.get() > 0)
    }

    /// A compute thread runs from now on.
    pub(crate) fn add_compute_thread(self: &Arc<Self>, thread: usize) {
        let mut scheduler = self.computing.scheduler();
        scheduler.starting = scheduler.starting.saturating_sub(1);
        scheduler.threads.insert(thread, Thread::default());
        scheduler.assign(self);
    }

    /// A compute thread for a request of a slow route, as soon as one is free.
    pub(crate) async fn compute_thread(self: &Arc<Self>, route: &Route) -> Result<Granted, Error> {
        let failed = |cause| route.error(Phase::Start, cause);
        let lost = route.lost.all();
        let may_lose = self.computing.is_on() && !self.computing.is_short();
        if lost >= LOST_OF_ROUTE || (lost > 0 && !may_lose) {
            let reason = format!(
                "the function has held {lost} threads of the server for ever, and may not have more; \
                 only a restart of the server frees them"
            );
            return Err(failed(Cause::Unavailable(reason)));
        }
        let most = self.computing.most;
        let granted = {
            let mut scheduler = self.computing.scheduler();
            match scheduler.choose(route.index, most, |thread| self.has_idle(thread, route.index)) {
                Choice::Thread(thread) => return Ok(scheduler.begin(self, thread, route.index)),
                Choice::Start | Choice::Wait => {
                    let (sender, granted) = oneshot::channel();
                    scheduler.waiting.push_back(Waiting { route: route.index, granted: sender });
                    granted
                }
            }
        };
        let full = || {
            failed(Cause::OverCapacity("all threads that compute are in use, and the queue is full".into()))
        };
        let _queued = self.computing.queue.join().ok_or_else(full)?;
        self.computing.scheduler().assign(self);
        let wait = self.queue_wait;
        let late =
            |_| failed(Cause::OverCapacity(format!("no thread that computes became free within {wait:?}")));
        tokio::time::timeout(wait, granted).await.map_err(late)?.map_err(|_| {
            failed(Cause::Unavailable("functions hold all threads that compute, for ever".into()))
        })
    }
}

impl Grant {
    /// The request has waited: the thread has time for another one.
    pub(crate) fn has_waited(&self) {
        let mut scheduler = self.shared.computing.scheduler();
        let jobs = scheduler.threads.get_mut(&self.thread).map(|thread| &mut thread.jobs);
        if let Some(job) = jobs.into_iter().flatten().find(|job| job.id == self.id) {
            job.has_waited = true;
            scheduler.assign(&self.shared);
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.is_void {
            let mut scheduler = self.shared.computing.scheduler();
            scheduler.end(self.thread, self.id);
            scheduler.assign(&self.shared);
        }
    }
}
