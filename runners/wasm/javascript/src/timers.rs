//! The timers of the request that runs. An engine answers one request at a time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use rquickjs::{Ctx, Exception, Function, Object, Persistent, Result};

use crate::Platform;

/// The most timers that a request may have at a time, as in V8.
const MOST_TIMERS: usize = 10_000;

/// The shortest delay of a timer, as in Node. Chains of timers without a delay would otherwise
/// keep the processor busy.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);

/// A function of the handler that is called later.
type Callback = Persistent<Function<'static>>;

/// The timers; clones share them.
#[derive(Clone)]
pub(crate) struct Timers(Rc<State>);

struct State {
    platform: Platform,
    /// Whether a request runs. No timer can be set before the first one: a snapshot holds none.
    is_in_flight: Cell<bool>,
    last: Cell<u32>,
    queue: RefCell<Queue<Callback>>,
}

impl Timers {
    pub(crate) fn new(platform: Platform) -> Self {
        Self(Rc::new(State {
            platform,
            is_in_flight: Cell::new(false),
            last: Cell::new(0),
            queue: RefCell::default(),
        }))
    }

    /// Adds the functions of timers to `__host`.
    pub(crate) fn install<'js>(&self, ctx: &Ctx<'js>) -> Result<()> {
        let host: Object<'js> = ctx.globals().get("__host")?;
        let timers = self.clone();
        let set = move |ctx: Ctx<'js>, callback: Function<'js>, delay_ms: u32, repeats: bool| {
            timers.set(&ctx, callback, Duration::from_millis(delay_ms.into()), repeats)
        };
        host.set("setTimer", Function::new(ctx.clone(), set)?)?;
        let timers = self.clone();
        // The scripts pass numbers of 32 bits; no timer has a negative one.
        let clear = move |id: i32| timers.0.queue.borrow_mut().remove(id.cast_unsigned());
        host.set("clearTimer", Function::new(ctx.clone(), clear)?)
    }

    /// Begins a request.
    pub(crate) fn begin(&self) {
        self.0.is_in_flight.set(true);
    }

    /// Ends a request, and its timers with it.
    pub(crate) fn end(&self) {
        self.0.is_in_flight.set(false);
        self.0.queue.take();
    }

    fn set<'js>(
        &self,
        ctx: &Ctx<'js>,
        callback: Function<'js>,
        delay: Duration,
        repeats: bool,
    ) -> Result<u32> {
        let state = &*self.0;
        if !state.is_in_flight.get() {
            let message = "a timer can be set only while its request is in flight";
            return Err(Exception::throw_type(ctx, message));
        }
        let mut queue = state.queue.borrow_mut();
        if queue.len() >= MOST_TIMERS {
            let message = format!("a request can have {MOST_TIMERS} timers at most");
            return Err(Exception::throw_range(ctx, &message));
        }
        // A number comes again after four thousand million others.
        state.last.set(state.last.get().checked_add(1).unwrap_or(1));
        let delay = delay.max(SHORTEST_DELAY);
        let timer = Timer {
            due: (state.platform.now)() + delay,
            period: repeats.then_some(delay),
            callback: Persistent::save(ctx, callback),
        };
        queue.insert(state.last.get(), timer);
        Ok(state.last.get())
    }

    /// Waits for the next timer and calls it. Returns false if there is none.
    pub(crate) fn call_next(&self, ctx: &Ctx<'_>) -> Result<bool> {
        let state = &*self.0;
        let Some(due) = state.queue.borrow().next_due() else { return Ok(false) };
        let wait = due.saturating_sub((state.platform.now)());
        if !wait.is_zero() {
            (state.platform.sleep)(wait);
        }
        let next = state.queue.borrow_mut().take_next((state.platform.now)());
        if let Some(callback) = next {
            callback.restore(ctx)?.call::<_, ()>(())?;
        }
        Ok(true)
    }
}

/// Timers in the order in which they are due. Timers that are due at the same instant come in the
/// order of their numbers. Instants count from the platform's origin.
struct Queue<C> {
    by_id: BTreeMap<u32, Timer<C>>,
    by_time: BTreeSet<(Duration, u32)>,
}

struct Timer<C> {
    due: Duration,
    /// The time to the next call; none for a timer that calls once.
    period: Option<Duration>,
    callback: C,
}

impl<C> Default for Queue<C> {
    fn default() -> Self {
        Self { by_id: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<C: Clone> Queue<C> {
    fn len(&self) -> usize {
        self.by_id.len()
    }

    fn insert(&mut self, id: u32, timer: Timer<C>) {
        self.remove(id);
        self.by_time.insert((timer.due, id));
        self.by_id.insert(id, timer);
    }

    fn remove(&mut self, id: u32) {
        if let Some(timer) = self.by_id.remove(&id) {
            self.by_time.remove(&(timer.due, id));
        }
    }

    fn next_due(&self) -> Option<Duration> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// The callback of the first timer. The timer is removed, or waits again if it has a period.
    fn take_next(&mut self, now: Duration) -> Option<C> {
        let (_, id) = self.by_time.pop_first()?;
        let mut timer = self.by_id.remove(&id)?;
        let callback = timer.callback.clone();
        if let Some(period) = timer.period {
            timer.due = now + period;
            self.insert(id, timer);
        }
        Some(callback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn queue(timers: &[(u32, u32, Option<u32>)]) -> Queue<u32> {
        let mut queue = Queue::default();
        for &(id, due, period) in timers {
            let timer = Timer { due: due * MS, period: period.map(|period| period * MS), callback: id };
            queue.insert(id, timer);
        }
        queue
    }

    #[test]
    fn timers_come_by_time_and_then_by_number() {
        let mut queue = queue(&[(4, 2, None), (3, 1, None), (1, 1, None), (2, 2, None)]);
        assert_eq!((queue.len(), queue.next_due()), (4, Some(MS)));
        let order: Vec<_> = std::iter::from_fn(|| queue.take_next(2 * MS)).collect();
        assert_eq!(order, [1, 3, 2, 4]);
        assert_eq!((queue.len(), queue.next_due()), (0, None));
    }

    #[test]
    fn a_period_begins_again_when_its_timer_is_called() {
        let mut queue = queue(&[(1, 1, Some(5)), (2, 4, None)]);
        assert_eq!(queue.take_next(3 * MS), Some(1));
        assert_eq!(queue.take_next(4 * MS), Some(2));
        assert_eq!((queue.len(), queue.next_due()), (1, Some(8 * MS)));
        queue.remove(1);
        queue.remove(7);
        assert_eq!((queue.len(), queue.next_due()), (0, None));
    }
}
