//! Deadlines for engines that can only be stopped from outside: one thread stops sandboxes that
//! run too long.
//!
//! Every request arms a watch, so arming makes no system call and reads no clock. It stores a
//! new number, and the thread measures from the tick at which it first saw that number. The
//! thread sleeps while no watch is armed.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::laps::nanoseconds;

/// How often the thread looks. A deadline strikes at most two ticks late, and never early.
const TICK: Duration = Duration::from_millis(5);
/// How long the thread stays awake while no watch is armed. Waking it takes a system call,
/// which consecutive requests must not pay for.
const IDLE_TICKS: u32 = 20;

/// States of a watch. Any other value is the number of the watched run.
const DISARMED: u64 = 0;
const STRUCK: u64 = u64::MAX;

/// Stops the sandbox of a watch. An engine may miss it, so it is called again at each tick until
/// the watch is disarmed.
type Stop = Box<dyn Fn() + Send>;

/// The thread, which ends with the last handle to it.
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    asleep: AtomicBool,
    closed: AtomicBool,
    watched: Mutex<HashMap<u64, Watched>>,
    next_id: AtomicU64,
}

/// The part of a watch that both threads see.
struct State {
    /// The present run, or one of the states above.
    run: AtomicU64,
    /// How long the present run may take, in nanoseconds.
    limit_ns: AtomicU64,
}

/// The thread's view of a watch.
struct Watched {
    state: Arc<State>,
    stop: Stop,
    /// The run that was seen last, and when it was first seen.
    seen: (u64, Instant),
}

/// The watch over one sandbox. It ends when it is dropped.
pub struct Watch {
    watchdog: Arc<Watchdog>,
    id: u64,
    state: Arc<State>,
    deadline_ns: u64,
    runs: Cell<u64>,
    /// Whether the limit of the last run was shorter than the deadline.
    is_shortened: Cell<bool>,
    has_struck: Cell<bool>,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system refuses another thread.
    pub fn start() -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            asleep: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            watched: Mutex::default(),
            next_id: AtomicU64::new(0),
        });
        let on_thread = shared.clone();
        let handle = thread::Builder::new().name("watchdog".into()).spawn(move || on_thread.run())?;
        Ok(Arc::new(Self { shared, thread: handle.thread().clone() }))
    }

    /// Watches a sandbox, which `stop` stops. Each of its runs may take as long as `deadline`.
    pub fn watch(self: &Arc<Self>, deadline: Duration, stop: impl Fn() + Send + 'static) -> Watch {
        let deadline_ns = nanoseconds(deadline);
        let state = Arc::new(State { run: AtomicU64::new(DISARMED), limit_ns: AtomicU64::new(deadline_ns) });
        let id = self.shared.next_id.fetch_add(1, SeqCst);
        let seen = (DISARMED, Instant::now());
        let watched = Watched { state: state.clone(), stop: Box::new(stop), seen };
        self.shared.watched().insert(id, watched);
        let (runs, is_shortened, has_struck) = (Cell::new(0), Cell::new(false), Cell::new(false));
        Watch { watchdog: self.clone(), id, state, deadline_ns, runs, is_shortened, has_struck }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.closed.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Watch {
    /// Begins a run: the sandbox is stopped once the deadline has passed.
    pub fn arm(&self) {
        if self.is_shortened.replace(false) {
            self.state.limit_ns.store(self.deadline_ns, SeqCst);
        }
        self.begin();
    }

    /// Begins a run that may take as long as `limit`, or as the deadline if that is shorter.
    pub fn arm_within(&self, limit: Duration) {
        // The thread reads the run before the limit, so it never measures this run by an older one.
        self.state.limit_ns.store(nanoseconds(limit).min(self.deadline_ns), SeqCst);
        self.is_shortened.set(true);
        self.begin();
    }

    fn begin(&self) {
        self.runs.set(self.runs.get() + 1);
        self.state.run.store(self.runs.get(), SeqCst);
        if self.watchdog.shared.asleep.load(SeqCst) {
            self.watchdog.shared.asleep.store(false, SeqCst);
            self.watchdog.thread.unpark();
        }
    }

    /// Ends the run, and returns whether the deadline struck. If so, the sandbox must not run
    /// again.
    pub fn disarm(&self) -> bool {
        let struck = self.state.run.swap(DISARMED, SeqCst) == STRUCK;
        if struck {
            self.has_struck.set(true);
        }
        struck
    }

    /// Whether the deadline has struck in any run.
    pub fn has_struck(&self) -> bool {
        self.has_struck.get()
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

    /// Stops sandboxes that are past their deadline. Returns whether any watch is armed.
    fn strike(&self) -> bool {
        let now = Instant::now();
        let mut armed = false;
        for watched in self.watched().values_mut() {
            let run = watched.state.run.load(SeqCst);
            if run == DISARMED {
                continue;
            }
            armed = true;
            if run == STRUCK {
                (watched.stop)();
                continue;
            }
            if watched.seen.0 != run {
                watched.seen = (run, now);
            }
            let limit = Duration::from_nanos(watched.state.limit_ns.load(SeqCst));
            let overdue = now.duration_since(watched.seen.1) >= limit;
            // The exchange fails if that run has ended meanwhile.
            if overdue && watched.state.run.compare_exchange(run, STRUCK, SeqCst, SeqCst).is_ok() {
                (watched.stop)();
            }
        }
        armed
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<u64, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const DEADLINE: Duration = Duration::from_millis(20);

    fn wait_until(is_true: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_true() {
            assert!(begun.elapsed() < Duration::from_mins(1), "it never came true");
            thread::yield_now();
        }
    }

    #[test]
    fn a_late_run_is_stopped_until_it_has_ended_and_no_other_run_is() {
        let watchdog = Watchdog::start().unwrap();
        let stops = [0, 1].map(|_| Arc::new(AtomicUsize::new(0)));
        let watch = |index: usize, deadline| {
            let stops = Arc::clone(&stops[index]);
            watchdog.watch(deadline, move || {
                stops.fetch_add(1, SeqCst);
            })
        };
        let (late, other) = (watch(0, DEADLINE), watch(1, Duration::from_hours(1)));
        let begun = Instant::now();
        late.arm();
        other.arm();
        // The first stop can be missed, so there is a second one.
        wait_until(|| stops[0].load(SeqCst) > 1);
        assert!(begun.elapsed() >= DEADLINE);
        assert!(late.disarm() && !other.disarm());
        assert_eq!(stops[1].load(SeqCst), 0);
        late.arm();
        assert!(!late.disarm());
        assert!(late.has_struck() && !other.has_struck());
    }

    #[test]
    fn a_run_with_a_shorter_limit_is_stopped_and_the_next_one_has_the_deadline_again() {
        let watchdog = Watchdog::start().unwrap();
        let stops = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&stops);
        let watch = watchdog.watch(Duration::from_hours(1), move || {
            counted.fetch_add(1, SeqCst);
        });
        watch.arm_within(DEADLINE);
        wait_until(|| stops.load(SeqCst) > 0);
        assert!(watch.disarm());
        watch.arm();
        assert_eq!(watch.state.limit_ns.load(SeqCst), nanoseconds(Duration::from_hours(1)));
        assert!(!watch.disarm());
        watch.arm_within(Duration::from_hours(2));
        assert_eq!(watch.state.limit_ns.load(SeqCst), nanoseconds(Duration::from_hours(1)));
        assert!(!watch.disarm());
    }
}
