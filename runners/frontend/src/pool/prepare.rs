//! Preparing a function once for all workers, at the first request for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isolab_core::{Cause, Error, Phase, Prepared};
use tokio::sync::watch;

use super::shared::Shared;
use crate::lifecycle;
use crate::queue::Queue;
use crate::route::Route;
use crate::telemetry::metrics::{Durations, Histogram};
use crate::telemetry::record::Entry;

/// A function that failed to be prepared is tried again after this many times the time that the failure took:
/// a build takes a processor from all other functions, and each request for the function would start one.
const PAUSES: u32 = 10;
/// The longest of these pauses: a user has mended the function or the engine, and waits.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A failure that takes less burdens nobody.
const LEAST_FAILURE: Duration = Duration::from_millis(10);

/// One function on one executor, from untouched to prepared. Every request that waits
/// gets a failure, and so do requests in the pause after it. The next one tries again.
pub(crate) struct Preparation {
    state: Mutex<State>,
    queue: Queue,
    /// Written by the preparing thread; there is one at a time.
    histogram: Histogram,
}

enum State {
    Untouched,
    Running(watch::Receiver<Option<Outcome>>),
    Failed { error: Error, until: Instant },
    Ready(Arc<dyn Prepared>),
}

#[derive(Clone)]
struct Outcome {
    result: Result<Arc<dyn Prepared>, Error>,
    duration: Duration,
}

impl Preparation {
    pub(crate) fn new(queue: usize) -> Self {
        Self {
            state: Mutex::new(State::Untouched),
            queue: Queue::new(queue),
            histogram: Histogram::default(),
        }
    }

    /// The number of requests that wait for a preparation that another request began.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether requests find the function prepared.
    pub(crate) fn is_done(&self) -> bool {
        matches!(&*self.state(), State::Ready(_))
    }

    /// Whether a thread is preparing the function now.
    pub(crate) fn is_running(&self) -> bool {
        matches!(&*self.state(), State::Running(outcome) if outcome.has_changed().is_ok())
    }

    /// How long preparing took so far; empty for the other phases.
    pub(crate) fn durations(&self, phase: Phase) -> Durations {
        if phase == Phase::Prepare { self.histogram.read() } else { Durations::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The prepared function, and how long preparing took if this call began it.
pub(crate) async fn prepared(
    shared: &Arc<Shared>,
    route: &Arc<Route>,
) -> Result<(Arc<dyn Prepared>, Option<Duration>), Error> {
    let preparation = shared.preparation(route);
    let failed = |cause| route.error(Phase::Prepare, cause);

    let (mut outcome, began) = {
        let mut state = preparation.state();
        match &*state {
            State::Ready(prepared) => return Ok((Arc::clone(prepared), None)),
            // A closed channel means that the preparing thread panicked: try again.
            State::Running(outcome) if outcome.has_changed().is_ok() => (outcome.clone(), false),
            State::Failed { error, until } if Instant::now() < *until => return Err(again(error, *until)),
            State::Running(_) | State::Failed { .. } | State::Untouched => {
                let outcome = begin(shared, &preparation, route)
                    .map_err(|error| failed(Cause::Internal(format!("no thread to prepare on: {error}"))))?;
                *state = State::Running(outcome.clone());
                (outcome, true)
            }
        }
    };

    let settled = async {
        let settled = outcome.wait_for(Option::is_some).await;
        let settled = settled
            .map_err(|_| failed(Cause::Internal("the executor panicked; see the server's log".into())))?;
        Ok(settled.clone().expect("the outcome was waited for"))
    };
    let Outcome { result, duration } = if began {
        settled.await?
    } else {
        let wait = shared.queue_wait;
        let full =
            || failed(Cause::OverCapacity("too many requests wait for the function to be prepared".into()));
        let _queued = preparation.queue.join().ok_or_else(full)?;
        let late = |_| failed(Cause::OverCapacity(format!("the function was not prepared within {wait:?}")));
        tokio::time::timeout(wait, settled).await.map_err(late)??
    };
    Ok((result?, began.then_some(duration)))
}

/// Prepares on a thread of its own: preparing may compute for seconds, and goes on
/// when the client that began it has left.
fn begin(
    shared: &Arc<Shared>,
    preparation: &Arc<Preparation>,
    route: &Arc<Route>,
) -> std::io::Result<watch::Receiver<Option<Outcome>>> {
    let (sender, receiver) = watch::channel(None);
    let (shared, preparation, route) = (Arc::clone(shared), Arc::clone(preparation), Arc::clone(route));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || {
        let executor = &*route.served.executor;
        let timed = runtime.block_on(lifecycle::prepare(executor, &route.function, route.variant));

        preparation.histogram.record(timed.duration);
        if let Some(recorder) = &shared.recorder {
            let artifact = timed.value.as_ref().ok().map(|prepared| prepared.artifact());
            let entry =
                Entry::new(&route, Phase::Prepare, &timed.value, (timed.duration, timed.waited), &timed.laps);
            recorder.push(entry.artifact(artifact));
        }
        *preparation.state() = match &timed.value {
            Ok(prepared) => {
                if !prepared.holds_thread() {
                    route.pace.trust();
                }
                State::Ready(Arc::clone(prepared))
            }
            Err(error) => match pause(timed.duration) {
                Duration::ZERO => State::Untouched,
                pause => State::Failed { error: error.clone(), until: Instant::now() + pause },
            },
        };
        sender.send_replace(Some(Outcome { result: timed.value, duration: timed.duration }));
    };
    std::thread::Builder::new().name("prepare".into()).spawn(work)?;
    Ok(receiver)
}

/// The pause after a failure that took so long.
fn pause(failure: Duration) -> Duration {
    if failure < LEAST_FAILURE { Duration::ZERO } else { (failure * PAUSES).min(LONGEST_PAUSE) }
}

/// The failure as a request gets it in the pause.
fn again(error: &Error, until: Instant) -> Error {
    let left = until.saturating_duration_since(Instant::now()).as_secs_f64();
    let next = format!("the next request in {left:.1} s tries again");
    let hint = error.hint.as_ref().map_or_else(|| next.clone(), |hint| format!("{hint}; {next}"));
    error.clone().hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_takes_long_is_not_repeated_for_ten_times_as_long() {
        assert_eq!(pause(Duration::from_millis(9)), Duration::ZERO);
        assert_eq!(pause(Duration::from_secs(2)), Duration::from_secs(20));
        assert_eq!(pause(Duration::from_mins(1)), LONGEST_PAUSE);
    }
}
