//! A pause before an instance is started in the place of one that has died.
//!
//! An instance dies with a request that meets its deadline or its memory limit, and with a crash. A container
//! takes a tenth of a second of the host's processors to start. Requests that end eight of them each second
//! would take as much from all other functions as the limits leave to one. So a function is forgiven some
//! deaths at once, and has a small share of the time for more.
//!
//! Instances inside this process need no pause: they start on compute threads, which others do not wait for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::queue::{Queue, Queued};

/// The deaths that a function is forgiven at once.
const FORGIVEN: u32 = 16;
/// In the long run, the starts in place of dead instances take one two-hundredth of the time. Fewer than one
/// request in a hundred of another function meets such a start.
const SHARE: u32 = 200;
/// A start on a busy host takes seconds, most of which are the neighbours'.
const LONGEST_START: Duration = Duration::from_millis(200);

/// One function's deaths on one executor.
pub(crate) struct Backoff {
    state: Mutex<State>,
    queue: Queue,
}

#[derive(Debug, Default)]
struct State {
    /// Instances that have died and have not been replaced.
    dead: u32,
    /// When all replacements will be paid for; the generic cell rate algorithm (ITU-T I.371) calls it the
    /// theoretical arrival time.
    paid_at: Option<Instant>,
}

impl Backoff {
    /// `queue` is the number of requests that may wait for the end of a pause.
    pub(crate) fn new(queue: usize) -> Self {
        Self { state: Mutex::default(), queue: Queue::new(queue) }
    }

    /// Joins the requests that wait for the end of a pause. `None` if they are too many.
    pub(crate) fn join(&self) -> Option<Queued<'_>> {
        self.queue.join()
    }

    /// An instance has died.
    pub(crate) fn count_death(&self) {
        let mut state = self.state();
        state.dead = state.dead.saturating_add(1);
    }

    /// Takes the right to start an instance, or answers how long to wait for it. A start took `start` last time.
    pub(crate) fn admit(&self, start: Duration, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        if state.dead == 0 {
            return Ok(());
        }
        let price = price(start);
        let paid_at = state.paid_at.unwrap_or(now).max(now);
        let pause = paid_at.saturating_duration_since(now + price * (FORGIVEN - 1));
        if !pause.is_zero() {
            return Err(pause);
        }
        state.dead -= 1;
        state.paid_at = Some(paid_at + price);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a function goes without a further replacement to pay for one.
fn price(start: Duration) -> Duration {
    start.min(LONGEST_START) * SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_millis(100);

    #[test]
    fn the_first_deaths_are_forgiven_and_later_ones_have_a_share_of_the_time() {
        let (backoff, begin) = (Backoff::new(1), Instant::now());
        for _ in 0..FORGIVEN + 2 {
            backoff.count_death();
        }
        for _ in 0..FORGIVEN {
            assert_eq!(backoff.admit(START, begin), Ok(()));
        }
        let price = Duration::from_secs(20);
        assert_eq!(backoff.admit(START, begin), Err(price));
        assert_eq!(backoff.admit(START, begin + price / 4), Err(price * 3 / 4));
        assert_eq!(backoff.admit(START, begin + price), Ok(()));
        assert_eq!(backoff.admit(START, begin + price), Err(price));
        // Time without deaths earns forgiveness, and no more than at first.
        let late = begin + price * 1_000;
        assert_eq!(backoff.admit(START, late), Ok(()));
        assert_eq!(backoff.admit(START, late), Ok(()), "nothing is dead");
        for _ in 0..FORGIVEN {
            backoff.count_death();
        }
        let admitted = (0..FORGIVEN).filter(|_| backoff.admit(START, late).is_ok()).count();
        assert_eq!(admitted, FORGIVEN as usize - 1);
    }

    #[test]
    fn a_long_start_does_not_hold_a_function_up_for_ever() {
        assert_eq!(price(Duration::from_millis(2)), Duration::from_millis(400));
        assert_eq!(price(Duration::from_mins(1)), Duration::from_secs(40));
    }

    #[test]
    fn starts_without_deaths_are_free() {
        let (backoff, now) = (Backoff::new(1), Instant::now());
        assert!((0..1_000).all(|_| backoff.admit(START, now).is_ok()));
    }
}
