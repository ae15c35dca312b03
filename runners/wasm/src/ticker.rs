//! The clock behind deadlines.
//!
//! Guest code compares the engine's epoch with the store's deadline at every loop and call,
//! and traps when the epoch has reached it. One thread advances the epochs while guests run.
//! It parks when no guest has run for a while, so that an idle process does not wake.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use wasmtime::Engine;

/// The resolution of deadlines.
const TICK: Duration = Duration::from_millis(5);

/// After how many ticks without a guest the thread parks. The next guest then pays for a system
/// call to wake it. With this many ticks, frequent guests never pay, and rare ones seldom do.
const IDLE_TICKS: u32 = 200;

/// Ends the thread when dropped.
pub(crate) struct Ticker {
    state: Arc<State>,
    /// `Some` until the drop.
    thread: Option<JoinHandle<()>>,
    /// The thread's handle, for waking it.
    waker: Thread,
}

struct State {
    running: AtomicUsize,
    parked: AtomicBool,
    ended: AtomicBool,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engines: Vec<Engine>) -> io::Result<Self> {
        let state = Arc::new(State {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("wasm-epoch".into()).spawn(move || shared.tick(&engines))?;
        let waker = thread.thread().clone();
        Ok(Self { state, thread: Some(thread), waker })
    }

    /// Keeps the epochs advancing until the guard is dropped.
    pub(crate) fn watch(&self) -> Watch<'_> {
        // Both sides write before they read, in one total order: either this thread sees the
        // mark, or the other one sees the count before it parks.
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.parked.load(Ordering::SeqCst) {
            self.waker.unpark();
        }
        Watch(&self.state.running)
    }

    /// How many ticks ahead of the epoch a deadline lies, so that it never comes early.
    pub(crate) fn ticks(deadline: Duration) -> u64 {
        let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos()) + 1;
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).min(u64::MAX / 2)
    }
}

impl State {
    fn tick(&self, engines: &[Engine]) {
        let (mut due, mut idle) = (Instant::now() + TICK, 0);
        while !self.ended.load(Ordering::SeqCst) {
            idle = if self.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
            if idle > IDLE_TICKS {
                self.park();
                (due, idle) = (Instant::now() + TICK, 0);
            }
            thread::park_timeout(due.saturating_duration_since(Instant::now()));
            // Makes up for late ticks, so that a loaded machine does not extend a deadline.
            while due <= Instant::now() {
                engines.iter().for_each(Engine::increment_epoch);
                due += TICK;
            }
        }
    }

    fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 && !self.ended.load(Ordering::SeqCst) {
            thread::park();
        }
        self.parked.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.waker.unpark();
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic, and a destructor could not report it.
            let _ = thread.join();
        }
    }
}

/// A guest that runs.
pub(crate) struct Watch<'a>(&'a AtomicUsize);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{Config, Instance, Module, Store};

    use super::*;

    const SPIN: &str = r#"(module (func (export "spin") (loop br 0)))"#;

    fn spin(engine: &Engine, ticker: &Ticker, deadline: Duration) -> Duration {
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(Ticker::ticks(deadline));
        let instance = Instance::new(&mut store, &Module::new(engine, SPIN).unwrap(), &[]).unwrap();
        let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").unwrap();
        let begun = Instant::now();
        let _watch = ticker.watch();
        store.set_epoch_deadline(Ticker::ticks(deadline));
        spin.call(&mut store, ()).unwrap_err();
        begun.elapsed()
    }

    #[test]
    fn a_deadline_is_never_early_and_holds_after_the_thread_has_parked() {
        let engine = Engine::new(Config::new().epoch_interruption(true)).unwrap();
        let ticker = Ticker::start(vec![engine.clone()]).unwrap();
        let deadline = Duration::from_millis(20);
        assert!(spin(&engine, &ticker, deadline) >= deadline);
        while !ticker.state.parked.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert!(spin(&engine, &ticker, deadline) >= deadline);
    }

    #[test]
    fn a_parked_thread_ends_when_dropped() {
        let ticker = Ticker::start(vec![Engine::default()]).unwrap();
        while !ticker.state.parked.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let state = Arc::downgrade(&ticker.state);
        drop(ticker);
        assert!(state.upgrade().is_none());
    }
}
