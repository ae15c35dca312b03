//! Deadlines: one thread terminates isolates that run too long.
//!
//! A V8 isolate can only be stopped from outside. Every request arms a watch, so arming makes
//! no system call and reads no clock. It stores a new number, and the thread measures from
//! the tick at which it first saw that number. The thread sleeps while no watch is armed.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often the thread looks. A deadline strikes at most two ticks late, and never early.
const TICK: Duration = Duration::from_millis(5);
/// How long the thread stays awake while no watch is armed. Waking it takes a system call,
/// which consecutive requests must not pay for.
const IDLE_TICKS: u32 = 20;

/// States of a watch. Any other value is the number of the watched run.
const DISARMED: u64 = 0;
const STRUCK: u64 = u64::MAX;

/// The thread, which ends with the last handle to it.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    asleep: AtomicBool,
    closed: AtomicBool,
    watched: Mutex<HashMap<u64, Watched>>,
    next_id: AtomicU64,
}

/// The thread's view of a watch.
struct Watched {
    state: Arc<AtomicU64>,
    isolate: v8::IsolateHandle,
    deadline: Duration,
    /// The run that was seen last, and when it was first seen.
    seen: (u64, Instant),
}

/// The watch over one isolate. It ends when it is dropped.
pub(crate) struct Watch {
    watchdog: Arc<Watchdog>,
    id: u64,
    state: Arc<AtomicU64>,
    runs: Cell<u64>,
}

impl Watchdog {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            asleep: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            watched: Mutex::default(),
            next_id: AtomicU64::new(0),
        });
        let on_thread = shared.clone();
        let handle = thread::Builder::new().name("v8-watchdog".into()).spawn(move || on_thread.run())?;
        Ok(Arc::new(Self { shared, thread: handle.thread().clone() }))
    }

    /// Watches an isolate. Each of its runs may take as long as `deadline`.
    pub(crate) fn watch(self: &Arc<Self>, isolate: v8::IsolateHandle, deadline: Duration) -> Watch {
        let state = Arc::new(AtomicU64::new(DISARMED));
        let id = self.shared.next_id.fetch_add(1, SeqCst);
        let seen = (DISARMED, Instant::now());
        let watched = Watched { state: state.clone(), isolate, deadline, seen };
        self.shared.watched().insert(id, watched);
        Watch { watchdog: self.clone(), id, state, runs: Cell::new(0) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.closed.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Watch {
    /// Begins a run: the isolate is terminated once the deadline has passed.
    pub(crate) fn arm(&self) {
        self.runs.set(self.runs.get() + 1);
        self.state.store(self.runs.get(), SeqCst);
        if self.watchdog.shared.asleep.load(SeqCst) {
            self.watchdog.shared.asleep.store(false, SeqCst);
            self.watchdog.thread.unpark();
        }
    }

    /// Ends the run, and returns whether the deadline struck. If so, the isolate must not run
    /// again.
    pub(crate) fn disarm(&self) -> bool {
        self.state.swap(DISARMED, SeqCst) == STRUCK
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchdog.shared.watched().remove(&self.id);
    }
}

impl Shared {
    fn run(&self) {
        let mut idle = 0;
        while !self.closed.load(SeqCst) {
            idle = if self.strike() { 0 } else { idle + 1 };
            if idle < IDLE_TICKS {
                thread::park_timeout(TICK);
                continue;
            }
            idle = 0;
            self.asleep.store(true, SeqCst);
            // A watch that was armed before this store saw an awake thread and did not wake it.
            if self.strike() {
                self.asleep.store(false, SeqCst);
            }
            while self.asleep.load(SeqCst) && !self.closed.load(SeqCst) {
                thread::park();
            }
        }
    }

    /// Terminates isolates that are past their deadline. Returns whether any watch is armed.
    fn strike(&self) -> bool {
        let now = Instant::now();
        let mut armed = false;
        for watched in self.watched().values_mut() {
            let run = watched.state.load(SeqCst);
            if run == DISARMED || run == STRUCK {
                continue;
            }
            armed = true;
            if watched.seen.0 != run {
                watched.seen = (run, now);
            }
            let overdue = now.duration_since(watched.seen.1) >= watched.deadline;
            // The exchange fails if that run has ended meanwhile.
            if overdue && watched.state.compare_exchange(run, STRUCK, SeqCst, SeqCst).is_ok() {
                watched.isolate.terminate_execution();
            }
        }
        armed
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<u64, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
