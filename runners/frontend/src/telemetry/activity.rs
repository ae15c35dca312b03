//! The present work of a worker's thread, for a server that must say why a worker does not end.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use isolab_core::Phase;

use super::metrics::PHASES;

/// The phase that a worker's thread is executing at this moment. Only that thread
/// writes it.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// 0 outside of all phases; else 1 + 4 x route index + phase index.
    phase: AtomicU64,
    /// The instance's id; 0 while it is being started.
    instance: AtomicU64,
}

/// The content of [`Activity`] when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    /// The route's index.
    pub(crate) route: usize,
    pub(crate) phase: Phase,
    /// The instance's id, once it has one.
    pub(crate) instance: Option<u64>,
}

impl Activity {
    /// Polls `future`, and has the activity say `execution` in the meantime.
    pub(crate) fn track<F: Future + Unpin>(&self, execution: Execution, future: F) -> Tracked<'_, F> {
        let phase = PHASES.iter().position(|phase| *phase == execution.phase);
        let phase = phase.expect("PHASES holds every phase");
        let code = 1 + (PHASES.len() * execution.route + phase) as u64;
        Tracked { activity: self, code, instance: execution.instance.unwrap_or(0), future }
    }

    /// `None` if the thread executes no phase. Exact only if the thread does not move
    /// on while it is read.
    pub(crate) fn read(&self) -> Option<Execution> {
        let code = usize::try_from(self.phase.load(Ordering::Acquire)).ok()?.checked_sub(1)?;
        let instance = self.instance.load(Ordering::Relaxed);
        Some(Execution {
            route: code / PHASES.len(),
            phase: PHASES[code % PHASES.len()],
            instance: (instance > 0).then_some(instance),
        })
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
        self.activity.instance.store(self.instance, Ordering::Relaxed);
        self.activity.phase.store(self.code, Ordering::Release);
        let _leave = Leave(self.activity);
        Pin::new(&mut self.future).poll(context)
    }
}

/// Ends the execution, also when the executor panicked.
struct Leave<'a>(&'a Activity);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.phase.store(0, Ordering::Release);
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
}
