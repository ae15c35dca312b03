//! Whether a route is quick or slow: how long it holds its thread.
//!
//! A *quick* route's requests run on the thread that serves their connection, which saves two
//! hand-overs. A *slow* route's requests run on compute threads, so that the connections of a
//! worker do not wait for them. Waiting does not make a route slow: only the time inside a poll
//! counts, in which the thread can serve nothing else.
//!
//! A new route is slow until it has proved itself, because its first request may compute until its
//! deadline. Only code that runs elsewhere, such as a container's, needs no proof. A quick route
//! becomes slow by one slow poll, and must then prove itself for longer: one that is slow again and
//! again soon stays so.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use isolab_core::Phase;

/// An `invoke` that holds its thread longer at one time is slow. Another connection of the thread
/// waits for that long at most. Two hand-overs, of two wake-ups each, take far less.
const INVOKE_BOUND: Duration = Duration::from_millis(1);

/// The same for `start` and `stop`, which an instance that is used again has only once. V8 takes
/// about a millisecond to start an isolate.
const START_BOUND: Duration = Duration::from_millis(5);

/// A poll that takes longer by the wall clock and not by the CPU clock has lost its processor
/// to other threads, or it sleeps. Beyond this time it counts as slow in either case: with a few
/// busy threads for each processor, the scheduler gives a thread its next turn sooner.
const STALL: Duration = Duration::from_millis(100);

/// The invocations that a new route must have answered quickly.
const FIRST_PROOF: u32 = 8;

/// The most invocations that a route must have answered quickly after it was slow. The number
/// doubles each time, so a function that computes until its deadline every now and then holds up
/// a worker some twenty times, and then once in four million invocations.
const LONGEST_PROOF: u32 = 1 << 22;

/// After a quick route's poll took long by the wall clock, this many invocations are metered by the
/// CPU clock, too.
const METERED: u32 = 16;

/// Set in [`Pace::word`] while the route is slow.
const SLOW: u32 = 1 << 31;

/// How long a phase held its thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// The longest poll, by the wall clock.
    pub(crate) longest: Duration,
    /// All polls, by the CPU clock, if the phase was metered.
    pub(crate) cpu: Option<Duration>,
}

/// A change of pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    ToQuick,
    ToSlow,
}

/// One route's pace on this server.
#[derive(Debug)]
pub(crate) struct Pace {
    /// [`SLOW`] or not, and the invocations that are left: of the proof of a slow route, or of those
    /// that a quick route has metered.
    word: AtomicU32,
    /// The length of the last proof.
    proof: AtomicU32,
}

impl Pace {
    /// The pace of a route that has not answered yet. Without compute threads it is quick for ever.
    pub(crate) fn new(has_compute_threads: bool) -> Self {
        let word = if has_compute_threads { SLOW | FIRST_PROOF } else { 0 };
        Self { word: AtomicU32::new(word), proof: AtomicU32::new(FIRST_PROOF) }
    }

    /// Makes a new route quick without a proof: its code runs elsewhere.
    pub(crate) fn trust(&self) {
        self.word.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.word.load(Ordering::Relaxed) & SLOW != 0
    }

    /// Whether phases need no metering: the route is quick, and nothing speaks against it.
    pub(crate) fn is_settled(&self) -> bool {
        self.word.load(Ordering::Relaxed) == 0
    }

    /// Whether a phase that held its thread for so long says anything new about the route.
    #[inline]
    pub(crate) fn is_as_expected(&self, longest: Duration) -> bool {
        longest < INVOKE_BOUND && self.is_settled()
    }

    /// Draws the conclusion from a phase. Call it only on a server with compute threads.
    #[cold]
    pub(crate) fn judge(&self, phase: Phase, Held { longest, cpu }: Held) -> Option<Change> {
        let bound = if phase == Phase::Invoke { INVOKE_BOUND } else { START_BOUND };
        match cpu {
            _ if longest >= STALL => self.slow_down(),
            Some(cpu) if longest >= bound && cpu >= bound => self.slow_down(),
            None if longest >= bound => {
                let meter = |word: u32| (word & SLOW == 0).then_some(METERED);
                let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, meter);
                None
            }
            _ if phase == Phase::Invoke => self.count_quick(),
            _ => None,
        }
    }

    /// Makes the route slow.
    pub(crate) fn slow_down(&self) -> Option<Change> {
        let was_slow = self.word.fetch_or(SLOW, Ordering::Relaxed) & SLOW != 0;
        let mut proof = self.proof.load(Ordering::Relaxed);
        if !was_slow {
            proof = (proof * 2).min(LONGEST_PROOF);
            self.proof.store(proof, Ordering::Relaxed);
        }
        self.word.store(SLOW | proof, Ordering::Relaxed);
        (!was_slow).then_some(Change::ToSlow)
    }

    fn count_quick(&self) -> Option<Change> {
        let count = |word: u32| match word & !SLOW {
            0 => None,
            1 => Some(0),
            _ => Some(word - 1),
        };
        let before = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).ok()?;
        (before == SLOW | 1).then_some(Change::ToQuick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Held = Held { longest: Duration::from_micros(5), cpu: Some(Duration::from_micros(5)) };
    const SLOW_POLL: Held = Held { longest: INVOKE_BOUND, cpu: Some(INVOKE_BOUND) };

    /// The number of quick invocations until the route is quick.
    fn proof(pace: &Pace) -> u32 {
        let mut invocations = 0;
        while pace.is_slow() {
            invocations += 1;
            let change = pace.judge(Phase::Invoke, QUICK);
            assert_eq!(change == Some(Change::ToQuick), !pace.is_slow());
        }
        invocations
    }

    #[test]
    fn a_route_proves_itself_and_for_longer_each_time() {
        let pace = Pace::new(true);
        for expected in [8, 16, 32, 64] {
            assert_eq!(proof(&pace), expected);
            assert!(pace.is_settled());
            assert_eq!(pace.judge(Phase::Invoke, SLOW_POLL), Some(Change::ToSlow));
        }
        for _ in 0..30 {
            pace.word.store(0, Ordering::Relaxed);
            pace.slow_down();
        }
        assert_eq!(proof(&pace), LONGEST_PROOF);
    }

    #[test]
    fn a_slow_poll_begins_the_same_proof_anew() {
        let pace = Pace::new(true);
        for _ in 0..7 {
            assert_eq!(pace.judge(Phase::Invoke, QUICK), None);
        }
        assert_eq!(pace.judge(Phase::Invoke, SLOW_POLL), None);
        assert_eq!(proof(&pace), 8);
    }

    #[test]
    fn a_poll_that_lost_its_processor_does_not_prove_that_the_route_is_slow() {
        let pace = Pace::new(true);
        proof(&pace);
        let preempted = Held { longest: INVOKE_BOUND * 20, cpu: None };
        assert_eq!(pace.judge(Phase::Invoke, preempted), None);
        assert!(!pace.is_slow() && !pace.is_settled(), "the next invocations are metered");
        let metered = Held { cpu: Some(INVOKE_BOUND / 2), ..preempted };
        for _ in 0..METERED {
            assert_eq!(pace.judge(Phase::Invoke, metered), None);
        }
        assert!(pace.is_settled());
        pace.judge(Phase::Invoke, preempted);
        assert_eq!(pace.judge(Phase::Invoke, SLOW_POLL), Some(Change::ToSlow));
    }

    #[test]
    fn a_poll_that_stalls_its_thread_is_slow_whatever_it_does() {
        let pace = Pace::new(true);
        proof(&pace);
        let asleep = Held { longest: STALL, cpu: Some(Duration::ZERO) };
        assert_eq!(pace.judge(Phase::Stop, asleep), Some(Change::ToSlow));
    }

    #[test]
    fn starting_may_take_longer_and_proves_nothing() {
        let pace = Pace::new(true);
        let start = Held { longest: INVOKE_BOUND * 2, cpu: Some(INVOKE_BOUND * 2) };
        for _ in 0..100 {
            assert_eq!(pace.judge(Phase::Start, start), None);
        }
        assert_eq!(proof(&pace), 8);
        assert_eq!(pace.judge(Phase::Start, start), None);
        assert!(pace.is_settled());
    }

    #[test]
    fn without_compute_threads_every_route_is_quick() {
        let pace = Pace::new(false);
        assert!(pace.is_settled() && pace.is_as_expected(Duration::ZERO));
    }
}
