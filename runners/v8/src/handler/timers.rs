//! The timers of one request.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// A timer's number, unique among all timers of its isolate.
pub(super) type TimerId = u32;

/// Timers in the order in which they are due. Timers that are due at the same instant come in the
/// order of their numbers.
pub(super) struct Timers<C> {
    by_id: HashMap<TimerId, Timer<C>>,
    by_time: BTreeSet<(Instant, TimerId)>,
}

/// A timer that waits.
pub(super) struct Timer<C> {
    pub(super) due: Instant,
    /// The time to the next call; none for a timer that calls once.
    pub(super) period: Option<Duration>,
    pub(super) callback: C,
}

impl<C> Default for Timers<C> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), by_time: BTreeSet::new() }
    }
}

impl<C> Timers<C> {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is a timer of this number.
    pub(super) fn has(&self, id: TimerId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Adds a timer, whose number must be free.
    pub(super) fn set(&mut self, id: TimerId, timer: Timer<C>) {
        self.by_time.insert((timer.due, id));
        self.by_id.insert(id, timer);
    }

    /// Removes a timer, and returns whether it was there.
    pub(super) fn clear(&mut self, id: TimerId) -> bool {
        let Some(timer) = self.by_id.remove(&id) else { return false };
        self.by_time.remove(&(timer.due, id))
    }

    /// When the next timer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// Reads the callback of the first timer that is due by `now`. The timer is removed, or waits
    /// again if it has a period.
    pub(super) fn take_due<T>(&mut self, now: Instant, read: impl FnOnce(&C) -> T) -> Option<T> {
        let (due, id) = *self.by_time.first().filter(|(due, _)| *due <= now)?;
        self.by_time.remove(&(due, id));
        let timer = self.by_id.get_mut(&id)?;
        let result = read(&timer.callback);
        match timer.period {
            Some(period) => {
                timer.due = now + period;
                self.by_time.insert((timer.due, id));
            }
            None => drop(self.by_id.remove(&id)),
        }
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn once(due: Instant, callback: char) -> Timer<char> {
        Timer { due, period: None, callback }
    }

    /// The callbacks that are due by `now`, in order.
    fn due(timers: &mut Timers<char>, now: Instant) -> String {
        std::iter::from_fn(|| timers.take_due(now, |callback| *callback)).collect()
    }

    #[test]
    fn timers_are_due_by_time_and_then_by_number() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        for (id, after, callback) in [(4, 2, 'd'), (3, 1, 'b'), (1, 1, 'a'), (2, 2, 'c'), (5, 9, 'e')] {
            timers.set(id, once(now + after * MS, callback));
        }
        assert_eq!(timers.next_due(), Some(now + MS));
        assert_eq!(due(&mut timers, now), "");
        assert_eq!(due(&mut timers, now + 5 * MS), "abcd");
        assert_eq!((timers.len(), timers.next_due()), (1, Some(now + 9 * MS)));
    }

    #[test]
    fn a_cleared_timer_leaves_nothing() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.set(7, once(now, 'a'));
        assert!(timers.has(7));
        assert!(timers.clear(7) && !timers.clear(7));
        assert_eq!((timers.len(), timers.next_due()), (0, None));
        assert_eq!(due(&mut timers, now), "");
    }

    #[test]
    fn a_period_begins_again_and_is_due_once_at_a_time() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.set(1, Timer { due: now, period: Some(2 * MS), callback: 'i' });
        assert_eq!(due(&mut timers, now + 9 * MS), "i");
        assert_eq!(timers.next_due(), Some(now + 11 * MS));
        assert!(timers.clear(1) && timers.next_due().is_none());
    }
}
