//! The requests that are in flight on one isolate, and the things that they wait for.
//!
//! Each request drives its own timers and [tasks](super::tasks), in the future of its own invocation: so its CPU time, its
//! deadline and its bill stay its own. V8 carries the number of the request across `await` and
//! microtasks (continuation-preserved embedder data), so a timer belongs to the request whose
//! code has set it, whichever request's turn it is.
//!
//! A quick request leaves nothing here: an entry is made by its first timer or task, or when its
//! first turn ends without an answer.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use isolab_core::Cause;
use isolab_outbound::{Client, Outbound};

use super::tasks::{BodyId, Done, Sink, Tasks};
use super::timers::{Timer, TimerId, Timers};
use crate::isolate::{Failure, Held, HostMemory};

/// The most timers that a request may have at a time.
pub(super) const MOST_TIMERS: usize = 10_000;
/// The shortest delay of a timer, as in Node. Chains of timers without a delay would otherwise
/// keep the processor busy.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);
/// Memory of a timer outside of the heap: its places in two maps and its handle, rounded up.
const TIMER_BYTES: usize = 256;

/// The number of a request, unique among those in flight on an isolate. V8 stores it without an
/// allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct RequestId(i32);

/// Why a timer was not set.
pub(super) enum Refusal {
    /// The code that asks belongs to no request, or to one that has ended.
    NoRequest,
    /// The request has [`MOST_TIMERS`] already.
    TooMany,
    /// The timers of the isolate would take more than its memory limit.
    NoRoom,
}

/// The memory limit leaves no room.
pub(super) struct NoRoom;

/// The event loop of one isolate.
pub(super) struct EventLoop {
    last_request: Cell<i32>,
    last_timer: Cell<TimerId>,
    /// The request whose turn it is, or was last.
    current: Cell<RequestId>,
    /// Timers of all requests.
    timers: Cell<usize>,
    /// Tasks of all requests whose outcome the isolate does not have yet.
    tasks: Cell<usize>,
    last_body: Cell<BodyId>,
    /// Whether the isolate has event loops of other instances, too. The slot of the isolate then has that of the
    /// instance that runs, or has run last.
    has_others: bool,
    outbound: Arc<Outbound>,
    /// Sends outbound requests, once there is one.
    client: OnceCell<Client>,
    /// Counts the memory of timers and tasks.
    memory: Rc<HostMemory>,
    entries: RefCell<HashMap<RequestId, Entry>>,
    /// Why the isolate must not run again.
    stopped: RefCell<Option<String>>,
}

/// A request that has timers or tasks, or waits.
#[derive(Default)]
struct Entry {
    timers: Timers<v8::Global<v8::Function>>,
    /// Only after the first task.
    tasks: Option<Box<Tasks>>,
    /// Why the request has failed, such as an exception that nothing caught.
    failure: Option<Cause>,
    /// Whether the promise of its answer has settled.
    is_settled: bool,
    /// Whether the request was called since it began to wait.
    is_called: bool,
    waker: Option<Waker>,
}

/// The next step of a waiting request.
pub(super) enum News {
    /// It has failed.
    Failed(Cause),
    /// Its promise has settled, or a task has ended.
    Now,
    /// It has timers, and the first is due at this instant.
    Timers(Instant),
    /// It waits for other requests.
    Others,
    /// Nothing can settle its promise any more.
    Stuck,
}

impl EventLoop {
    /// The event loop of an isolate that has this memory, and may send requests to these hosts.
    pub(super) fn new(memory: &Rc<HostMemory>, outbound: &Arc<Outbound>) -> Self {
        Self {
            last_request: Cell::new(0),
            last_timer: Cell::new(0),
            current: Cell::default(),
            timers: Cell::new(0),
            tasks: Cell::new(0),
            last_body: Cell::new(0),
            has_others: false,
            outbound: Arc::clone(outbound),
            client: OnceCell::new(),
            memory: Rc::clone(memory),
            entries: RefCell::default(),
            stopped: RefCell::default(),
        }
    }

    /// The same, in an isolate that has others, too.
    pub(super) fn beside_others(self) -> Self {
        Self { has_others: true, ..self }
    }

    /// The number of a new request, whose turn it is from now on.
    pub(super) fn begin(&self) -> RequestId {
        let mut id = self.last_request.get();
        loop {
            id = id.checked_add(1).unwrap_or(1);
            if !self.has_entry(RequestId(id)) {
                break;
            }
        }
        self.last_request.set(id);
        self.current.set(RequestId(id));
        RequestId(id)
    }

    /// Before the instance's first code, which belongs to no request.
    pub(super) fn enter_start(self: &Rc<Self>, scope: &mut v8::PinScope<'_, '_>) {
        scope.set_slot(Rc::clone(self));
        if self.has_others {
            // V8 still has the number of the last request of another instance.
            let nothing = v8::undefined(scope);
            scope.set_continuation_preserved_embedder_data(nothing.into());
        }
    }

    /// At the beginning of each turn: it is this request's turn, and its code begins.
    pub(super) fn enter(self: &Rc<Self>, scope: &mut v8::PinScope<'_, '_>, id: RequestId) {
        if self.has_others {
            scope.set_slot(Rc::clone(self));
        }
        self.current.set(id);
        let number = v8::Integer::new(scope, id.0);
        scope.set_continuation_preserved_embedder_data(number.into());
    }

    fn has_entry(&self, id: RequestId) -> bool {
        let entries = self.entries.borrow();
        !entries.is_empty() && entries.contains_key(&id)
    }

    /// Changes the entry of a request in flight, and makes it if it is this request's turn.
    fn with_entry<T>(&self, id: RequestId, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut entries = self.entries.borrow_mut();
        if id == self.current.get() {
            return Some(change(entries.entry(id).or_default()));
        }
        entries.get_mut(&id).map(change)
    }

    /// Sets a timer of a request that is in flight.
    pub(super) fn set_timer(
        &self,
        id: Option<RequestId>,
        callback: v8::Global<v8::Function>,
        delay: Duration,
        repeats: bool,
    ) -> Result<TimerId, Refusal> {
        let id = id.ok_or(Refusal::NoRequest)?;
        let delay = delay.max(SHORTEST_DELAY);
        let (due, period) = (Instant::now() + delay, repeats.then_some(delay));
        let set = self.with_entry(id, |entry| {
            if entry.timers.len() >= MOST_TIMERS {
                return Err(Refusal::TooMany);
            }
            if !self.memory.reserve(TIMER_BYTES) {
                return Err(Refusal::NoRoom);
            }
            let number = self.new_timer(&entry.timers);
            entry.timers.set(number, Timer { due, period, callback });
            Ok(number)
        });
        let number = set.ok_or(Refusal::NoRequest)??;
        self.timers.set(self.timers.get() + 1);
        self.call_other(id);
        Ok(number)
    }

    /// A number above 0 that no timer of these has.
    fn new_timer(&self, timers: &Timers<v8::Global<v8::Function>>) -> TimerId {
        loop {
            self.last_timer.set(self.last_timer.get().checked_add(1).unwrap_or(1));
            if !timers.has(self.last_timer.get()) {
                return self.last_timer.get();
            }
        }
    }

    /// Removes a timer of this request. Timers of others are out of its reach.
    pub(super) fn clear_timer(&self, id: RequestId, timer: TimerId) {
        let mut entries = self.entries.borrow_mut();
        if entries.get_mut(&id).is_some_and(|entry| entry.timers.clear(timer)) {
            self.removed(1);
        }
    }

    /// Counts timers that are no more.
    fn removed(&self, timers: usize) {
        self.timers.set(self.timers.get() - timers);
        self.memory.release(timers * TIMER_BYTES);
    }

    /// Reads the callback of the request's next timer that is due by `now`, and counts that call.
    pub(super) fn take_due<T>(
        &self,
        id: RequestId,
        now: Instant,
        read: impl FnOnce(&v8::Global<v8::Function>) -> T,
    ) -> Option<T> {
        let mut entries = self.entries.borrow_mut();
        let timers = &mut entries.get_mut(&id)?.timers;
        let before = timers.len();
        let taken = timers.take_due(now, read);
        self.removed(before - timers.len());
        taken
    }

    /// The number of a new body.
    pub(super) fn new_body(&self) -> BodyId {
        self.last_body.set(self.last_body.get().wrapping_add(1));
        self.last_body.get()
    }

    /// The client for outbound requests.
    pub(super) fn client(&self) -> &Client {
        self.client.get_or_init(|| Client::new(&self.outbound))
    }

    /// Reserves memory of the isolate's limit.
    pub(super) fn hold(&self, bytes: usize) -> Result<Held, NoRoom> {
        self.memory.hold(bytes).ok_or(NoRoom)
    }

    /// Changes the tasks of a request in flight.
    pub(super) fn with_tasks<T>(&self, id: RequestId, change: impl FnOnce(&mut Tasks) -> T) -> Option<T> {
        self.with_entry(id, |entry| change(entry.tasks.get_or_insert_default()))
    }

    /// Starts a task of a request in flight.
    pub(super) fn start(&self, id: RequestId, task: impl Future<Output = Done> + 'static) {
        if self.with_tasks(id, |tasks| tasks.start(Box::pin(task))).is_some() {
            self.tasks.set(self.tasks.get() + 1);
            self.call_other(id);
        }
    }

    /// Moves the tasks of a waiting request on. Ready once one has ended.
    pub(super) fn poll_tasks(&self, id: RequestId, context: &mut Context<'_>) -> Poll<()> {
        if self.tasks.get() == 0 {
            return Poll::Pending;
        }
        let mut entries = self.entries.borrow_mut();
        match entries.get_mut(&id).and_then(|entry| entry.tasks.as_mut()) {
            Some(tasks) => tasks.poll(context),
            None => Poll::Pending,
        }
    }

    /// Takes the outcome of a task.
    pub(super) fn take_done(&self, id: RequestId) -> Option<Done> {
        let mut entries = self.entries.borrow_mut();
        let done = entries.get_mut(&id)?.tasks.as_mut()?.take_done()?;
        self.tasks.set(self.tasks.get() - 1);
        Some(done)
    }

    /// Takes the place where the answer of a request goes. `None` before the answer has begun, and
    /// while a piece is written.
    pub(super) fn take_sink(&self, id: RequestId) -> Option<Sink> {
        self.entries.borrow_mut().get_mut(&id)?.tasks.as_mut()?.take_sink()
    }

    /// Begins the answer of the request whose turn it is. Its promise is from now on that of the
    /// answer's end.
    pub(super) fn begin_answer(&self, id: RequestId, sink: Sink) {
        self.with_entry(id, |entry| {
            entry.is_settled = false;
            entry.tasks.get_or_insert_default().put_sink(sink);
        });
    }

    /// Notes why a request has failed. Returns false if it has ended.
    pub(super) fn fail(&self, id: RequestId, cause: Cause) -> bool {
        let noted = self.with_entry(id, |entry| {
            entry.failure.get_or_insert(cause);
        });
        self.call_other(id);
        noted.is_some()
    }

    /// Notes that the promise of a waiting request has settled.
    pub(super) fn settle(&self, id: RequestId) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(&id) {
            entry.is_settled = true;
        }
        self.call_other(id);
    }

    /// Fails if the request has failed.
    pub(super) fn check(&self, id: RequestId) -> Result<(), Failure> {
        let mut entries = self.entries.borrow_mut();
        if entries.is_empty() {
            return Ok(());
        }
        match entries.get_mut(&id).and_then(|entry| entry.failure.take()) {
            Some(cause) => Err(cause.into()),
            None => Ok(()),
        }
    }

    /// Whether nothing can settle a promise any more: no request has a timer or a task.
    pub(super) fn is_stuck(&self) -> bool {
        self.timers.get() == 0 && self.tasks.get() == 0
    }

    /// Makes a request wait after its first turn.
    pub(super) fn wait(&self, id: RequestId) {
        self.entries.borrow_mut().entry(id).or_default();
    }

    /// The next step of a waiting request.
    pub(super) fn news(&self, id: RequestId) -> News {
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&id) else { return News::Stuck };
        if let Some(cause) = entry.failure.take() {
            return News::Failed(cause);
        }
        let has_outcome = || entry.tasks.as_ref().is_some_and(|tasks| tasks.has_news());
        match entry.timers.next_due() {
            _ if entry.is_settled || has_outcome() => News::Now,
            Some(due) => News::Timers(due),
            None if self.is_stuck() => News::Stuck,
            None => News::Others,
        }
    }

    /// Whether the request was called since the last time. If not, `waker` is woken once it is.
    pub(super) fn is_called(&self, id: RequestId, waker: &Waker) -> bool {
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(&id) else { return true };
        if !std::mem::take(&mut entry.is_called) {
            match &mut entry.waker {
                Some(known) => known.clone_from(waker),
                None => entry.waker = Some(waker.clone()),
            }
            return false;
        }
        true
    }

    /// Has a request look for its news, unless it is its turn anyway.
    fn call_other(&self, id: RequestId) {
        if id == self.current.get() {
            return;
        }
        let waker = self.entries.borrow_mut().get_mut(&id).and_then(Entry::call);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has all waiting requests look for their news.
    fn call_all(&self) {
        let wakers: Vec<Waker> = self.entries.borrow_mut().values_mut().filter_map(Entry::call).collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// After each turn: calls the requests that now wait for nothing.
    pub(super) fn end_turn(&self) {
        self.current.set(RequestId::default());
        if self.is_stuck() && !self.entries.borrow().is_empty() {
            self.call_all();
        }
    }

    /// Removes a request that has ended, with its timers and tasks.
    pub(super) fn forget(&self, id: RequestId) {
        if !self.has_entry(id) {
            return;
        }
        let ended = self.entries.borrow_mut().remove(&id);
        if let Some(Entry { timers, tasks, .. }) = ended {
            self.removed(timers.len());
            self.tasks.set(self.tasks.get() - tasks.map_or(0, |tasks| tasks.len()));
        }
        if self.is_stuck() {
            self.call_all();
        }
    }

    /// The isolate must not run again, for this reason. All waiting requests fail.
    pub(super) fn stop(&self, reason: &Cause) {
        self.stopped.borrow_mut().get_or_insert(reason.to_string());
        self.call_all();
    }

    /// Why the isolate must not run again, for a request that has not caused it.
    pub(super) fn stopped(&self) -> Option<Cause> {
        let stopped = self.stopped.borrow();
        let reason = stopped.as_ref()?;
        Some(Cause::Crashed(format!("another request of this isolate was stopped: {reason}")))
    }
}

impl Entry {
    /// Calls the request. Returns the waker that must be woken outside of the loop.
    fn call(&mut self) -> Option<Waker> {
        self.is_called = true;
        self.waker.take()
    }
}

/// The event loop of the scope's isolate; none while a snapshot is made.
pub(super) fn of(scope: &v8::PinScope<'_, '_>) -> Option<Rc<EventLoop>> {
    scope.get_slot::<Rc<EventLoop>>().cloned()
}

/// The request that the running code belongs to. Code that runs before the first request belongs
/// to none.
pub(super) fn request_of(scope: &v8::PinScope<'_, '_>) -> Option<RequestId> {
    let data = scope.get_continuation_preserved_embedder_data();
    v8::Local::<v8::Int32>::try_from(data).ok().map(|number| RequestId(number.value()))
}
