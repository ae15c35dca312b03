//! Ending the threads and closing the executors, whatever a guest does.
//!
//! A guest computes on a thread of the server, and an executor may be unable to interrupt
//! it. Such a thread cannot be joined. So nothing here waits without a bound, and the
//! outcome names the guests whose threads were left behind.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use isolab_core::{Cause, Error, Phase};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::pool::inbox::Role;
use crate::route::Route;
use crate::route::Served;
use crate::run_error::{Guest, RunError, StuckWorker};
use crate::state::ServerState;
use crate::threads::{Thread, Threads, after};
use crate::worker::Progress;

/// How long a thread may take to notice that a bound has passed.
const GRACE: Duration = Duration::from_secs(1);

/// Has the threads finish their requests and stop their instances: first the workers, whose
/// requests may need compute threads. Does not wait for threads that are lost already.
pub(crate) async fn end(threads: &Threads, hurry: impl Future<Output = ()>) -> Ended {
    let bounds = &threads.state.config.bounds;
    let until = after(bounds.drain);
    let mut hurry = pin!(hurry);
    let mut is_hurried = false;
    let mut ended = Ended { panicked: false, stuck: Vec::new() };
    for role in [Role::Worker, Role::Compute] {
        threads.drain(role, if is_hurried { Instant::now() } else { until });
        let mut running = threads.take(role);
        {
            let mut stopping = pin!(all_stopping(&mut running));
            tokio::select! {
                () = &mut stopping => {}
                () = sleep_until(until + GRACE), if !is_hurried => {}
                () = &mut hurry, if !is_hurried => {
                    is_hurried = true;
                    threads.drain(role, Instant::now());
                    let _ = timeout(GRACE, stopping).await;
                }
                () = tokio::time::sleep(GRACE), if is_hurried => {}
            }
        }
        ended.add_all(&threads.state, running).await;
    }
    let lost = threads.take(Role::Lost);
    ended.add_all(&threads.state, lost).await;
    ended
}

async fn all_stopping(threads: &mut [(usize, Thread)]) {
    for (_, thread) in threads {
        // An error means that the thread has ended.
        let _ = thread.progress.wait_for(|progress| *progress == Progress::Stopping).await;
    }
}

/// How the threads ended.
pub(crate) struct Ended {
    panicked: bool,
    stuck: Vec<StuckWorker>,
}

impl Ended {
    /// Waits for threads that stop their instances. One that still serves does not return to its
    /// event loop: it is stuck.
    async fn add_all(&mut self, state: &ServerState, threads: Vec<(usize, Thread)>) {
        let stopped = after(state.config.bounds.cleanup) + GRACE;
        for (index, mut thread) in threads {
            if thread.is_stopping() {
                let ended = async { while thread.progress.changed().await.is_ok() {} };
                let _ = timeout_at(stopped, ended).await;
            }
            if thread.has_ended() {
                self.panicked |= thread.handle.join().is_err();
            } else {
                let stuck = stuck(state, index, &thread);
                tracing::error!("{stuck}");
                self.stuck.push(stuck);
            }
        }
    }

    /// The server's outcome, together with the errors of executors.
    pub(crate) fn outcome(self, unclosed: Vec<Error>) -> Result<(), RunError> {
        if !self.stuck.is_empty() {
            Err(RunError::Stuck { workers: self.stuck, unclosed })
        } else if self.panicked {
            for error in unclosed {
                tracing::error!("{error}");
            }
            Err(RunError::Panic)
        } else if unclosed.is_empty() {
            Ok(())
        } else {
            Err(RunError::Close(unclosed))
        }
    }
}

fn stuck(state: &ServerState, index: usize, thread: &Thread) -> StuckWorker {
    let known = &state.threads()[index];
    let guest = known.lost_in.get().copied().or_else(|| known.activity.read()).and_then(|execution| {
        let route = state.routes().by_index(execution.route)?;
        Some(Guest {
            executor: route.served.spec.clone(),
            function: route.function.name().to_owned(),
            phase: execution.phase,
            instance: execution.instance,
        })
    });
    StuckWorker { thread: thread.handle.thread().name().unwrap_or_default().to_owned(), guest }
}

/// Closes all executors at once. Returns the errors of those that failed or took too
/// long.
pub(crate) async fn close(state: &ServerState) -> Vec<Error> {
    let routes = state.routes();
    let is_running = |route: &&Arc<Route>| {
        state.pools.preparations.get(route.index).is_some_and(|preparation| preparation.is_running())
    };
    for route in routes.iter().filter(is_running) {
        let (function, executor) = (route.function.name(), &route.served.spec);
        tracing::warn!("`{function}` is still being prepared on {executor} while the server ends");
    }
    let bound = state.config.bounds.cleanup;
    let closed = join_all(routes.executors.iter().map(|served| close_one(served, bound))).await;
    closed.into_iter().filter_map(Result::err).collect()
}

/// Closes an executor on a thread of its own: if it blocks, the others and the bound do
/// not suffer.
async fn close_one(served: &Served, bound: Duration) -> Result<(), Error> {
    let failed = |cause| Error::new(Phase::Stop, &served.spec, "all functions", Cause::Internal(cause));
    let executor = Arc::clone(&served.executor);
    let (sender, closed) = oneshot::channel();
    let close = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // The receiver is gone if the bound has passed.
        let _ = sender.send(runtime.map(|runtime| runtime.block_on(executor.close())));
    };
    let no_thread = |error: std::io::Error| failed(format!("no thread to close the executor on: {error}"));
    std::thread::Builder::new().name("close".into()).spawn(close).map_err(no_thread)?;
    match timeout(bound, closed).await {
        Ok(Ok(closed)) => closed.map_err(no_thread)?,
        Ok(Err(_)) => Err(failed("closing the executor panicked; see the server's log".into())),
        Err(_) => Err(failed(format!("the executor did not close within {bound:?}"))),
    }
}
