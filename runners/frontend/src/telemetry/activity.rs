//! The present work of a thread that executes phases, for those who watch it from outside.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use isolab_core::Phase;

use super::metrics::PHASES;

/// The phase that a thread is executing at this moment. Only that thread writes it, except that
/// another may [claim](Activity::claim) it during a poll.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// The high half counts polls. The low half is 0 outside of all phases; else
    /// 1 + 4 x route index + phase index, or [`CLAIMED`].
    word: AtomicU64,
    /// The instance's id; 0 while it is being started.
    instance: AtomicU64,
    /// Held by a thread that takes things over from this one.
    takeover: Mutex<()>,
}

/// The low half of the word.
const CODE: u64 = u32::MAX as u64;

/// The code of a poll whose thread finds, when it returns, that others have taken things over.
const CLAIMED: u64 = CODE;

/// The content of [`Activity`] when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    /// The route's index.
    pub(crate) route: usize,
    pub(crate) phase: Phase,
    /// The instance's id, once it has one.
    pub(crate) instance: Option<u64>,
}

/// One poll of a phase, which may have ended since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollNumber(u64);

impl Activity {
    /// Polls `future`, and has the activity say `execution` in the meantime.
    pub(crate) fn track<F: Future + Unpin>(&self, execution: Execution, future: F) -> Tracked<'_, F> {
        let phase = PHASES.iter().position(|phase| *phase == execution.phase);
        let phase = phase.expect("PHASES holds every phase");
        let code = 1 + (PHASES.len() * execution.route + phase) as u64;
        Tracked { activity: self, code, instance: execution.instance.unwrap_or(0), future }
    }

    /// `None` if the thread executes no phase, or was claimed. Exact only if the thread does not
    /// move on while it is read.
    pub(crate) fn read(&self) -> Option<Execution> {
        let code = self.word.load(Ordering::Acquire) & CODE;
        let code = usize::try_from(code).ok().filter(|_| code != CLAIMED)?.checked_sub(1)?;
        let instance = self.instance.load(Ordering::Relaxed);
        Some(Execution {
            route: code / PHASES.len(),
            phase: PHASES[code % PHASES.len()],
            instance: (instance > 0).then_some(instance),
        })
    }

    /// The poll that the thread is executing.
    pub(crate) fn poll_number(&self) -> Option<PollNumber> {
        let word = self.word.load(Ordering::Acquire);
        (word & CODE > 0).then_some(PollNumber(word & !CODE))
    }

    /// Takes hold of the thread while it executes this poll: until the result is dropped it
    /// executes nothing else. `None` if it has moved on.
    pub(crate) fn claim(&self, number: PollNumber) -> Option<MutexGuard<'_, ()>> {
        let held = self.takeover.lock().unwrap_or_else(PoisonError::into_inner);
        let claim = |word: u64| (word & !CODE == number.0 && word & CODE > 0).then_some(number.0 | CLAIMED);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, claim).is_ok().then_some(held)
    }

    /// Waits until those who claimed the thread are done.
    #[cold]
    fn wait_for_takeover(&self) {
        drop(self.takeover.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A phase whose polls are noted in an [`Activity`].
pub(crate) struct Tracked<'a, F> {
    activity: &'a Activity,
    code: u64,
    instance: u64,
    future: F,
}

impl<F: Future + Unpin> Future for Tracked<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let activity = self.activity;
        let number = (activity.word.load(Ordering::Relaxed) & !CODE).wrapping_add(CODE + 1);
        activity.instance.store(self.instance, Ordering::Relaxed);
        activity.word.store(number | self.code, Ordering::Release);
        let _leave = Leave { activity, number };
        Pin::new(&mut self.future).poll(context)
    }
}

/// Ends the execution, also when the executor panicked.
struct Leave<'a> {
    activity: &'a Activity,
    number: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.activity.word.swap(self.number, Ordering::AcqRel) & CODE == CLAIMED {
            self.activity.wait_for_takeover();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn an_execution_is_seen_while_it_is_polled_and_at_no_other_time() {
        let activity = Activity::default();
        for route in [0, 1, 1_000] {
            for phase in PHASES {
                for instance in [None, Some(7)] {
                    let execution = Execution { route, phase, instance };
                    let mut polls = 0;
                    let future = poll_fn(|_| {
                        assert_eq!(activity.read(), Some(execution));
                        polls += 1;
                        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
                    });
                    let mut tracked = activity.track(execution, future);
                    for expected in [None, Some(())] {
                        assert_eq!((&mut tracked).now_or_never(), expected);
                        assert_eq!(activity.read(), None);
                    }
                }
            }
        }
    }

    #[test]
    fn a_panic_ends_the_execution() {
        let activity = Activity::default();
        let execution = Execution { route: 3, phase: Phase::Stop, instance: Some(1) };
        let panics = poll_fn(|_| -> Poll<()> { panic!("on purpose") });
        let polled = catch_unwind(AssertUnwindSafe(|| activity.track(execution, panics).now_or_never()));
        assert!(polled.is_err());
        assert_eq!(activity.read(), None);
    }

    #[test]
    fn a_thread_can_be_claimed_only_during_the_poll_that_was_seen() {
        let activity = Activity::default();
        let execution = Execution { route: 3, phase: Phase::Invoke, instance: Some(1) };
        let mut seen = None;
        let mut track = |activity: &Activity, claim: bool| {
            let polled = poll_fn(|_| {
                if !claim {
                    seen = activity.poll_number();
                    return Poll::Ready(false);
                }
                let earlier = activity.claim(seen.unwrap()).is_some();
                let now = activity.claim(activity.poll_number().unwrap()).is_some();
                Poll::Ready(now && !earlier && activity.read().is_none() && activity.poll_number().is_some())
            });
            activity.track(execution, polled).now_or_never().unwrap()
        };
        assert!(!track(&activity, false));
        assert_eq!(activity.poll_number(), None);
        assert!(track(&activity, true), "the earlier poll has ended, the present one has not");
        assert_eq!(activity.poll_number(), None);
        assert!(activity.claim(seen.unwrap()).is_none());
    }
}
