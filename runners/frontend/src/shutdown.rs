//! Ending the workers and closing the executors, whatever a guest does.
//!
//! A guest computes on its worker's thread, and an executor may be unable to interrupt
//! it. Such a thread cannot be joined. So nothing here waits without a bound, and the
//! outcome names the guests whose threads were left behind.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::join_all;
use isolab_core::{Cause, Error, Phase};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::inbox::Message;
use crate::route::Served;
use crate::state::ServerState;
use crate::worker::{self, Progress};

/// How long a worker may take to notice that a bound has passed.
const GRACE: Duration = Duration::from_secs(1);

/// Why a server did not run, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The listener or a worker could not be set up.
    #[error("the server could not be started: {0}")]
    Start(#[from] std::io::Error),
    /// A worker's thread panicked.
    #[error("a worker of the server panicked; the log has its message")]
    Panic,
    /// Executors could not remove everything that they keep outside of the process.
    #[error("not everything was removed: {}", list(.0))]
    Close(Vec<Error>),
    /// Guests did not let go of their workers' threads. Everything else has ended, and
    /// the process should end without waiting for them.
    #[error("{}{}", list(workers), also(unclosed))]
    Stuck {
        /// The workers that did not end.
        workers: Vec<StuckWorker>,
        /// The errors of executors that could not be closed.
        unclosed: Vec<Error>,
    },
}

/// A worker that did not end in time, and what its thread was executing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckWorker {
    /// The name of the thread.
    pub thread: String,
    /// The guest that keeps the thread; `None` if no executor was being called.
    pub guest: Option<Guest>,
}

/// A call of an executor that did not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The executor's spec in short form.
    pub executor: String,
    /// The function's name.
    pub function: String,
    /// The phase that does not end.
    pub phase: Phase,
    /// The instance's id; none while the instance is being started.
    pub instance: Option<u64>,
}

impl fmt::Display for StuckWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, guest } = self;
        let Some(Guest { executor, function, phase, instance }) = guest else {
            return write!(f, "{thread} did not end, and was not executing a function");
        };
        write!(f, "{thread} did not end: {phase} of `{function}` on {executor} does not return")?;
        match instance {
            Some(id) => write!(f, " (instance {id})"),
            None => Ok(()),
        }
    }
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn also(unclosed: &[Error]) -> String {
    if unclosed.is_empty() {
        String::new()
    } else {
        format!("; not everything was removed: {}", list(unclosed))
    }
}

/// The workers' threads. Dropping it has them drain, too, and waits for nothing.
pub(crate) struct Workers {
    state: Arc<ServerState>,
    threads: Vec<Thread>,
}

struct Thread {
    handle: JoinHandle<()>,
    progress: watch::Receiver<Progress>,
}

impl Thread {
    fn is_stopping(&self) -> bool {
        self.has_ended() || *self.progress.borrow() == Progress::Stopping
    }

    fn has_ended(&self) -> bool {
        self.progress.has_changed().is_err()
    }
}

impl Workers {
    /// Returns when every worker can serve.
    pub(crate) async fn start(
        state: &Arc<ServerState>,
        inboxes: Vec<UnboundedReceiver<Message>>,
    ) -> Result<Self, RunError> {
        let mut workers = Self { state: Arc::clone(state), threads: Vec::new() };
        for (index, inbox) in inboxes.into_iter().enumerate() {
            let (ready, is_ready) = oneshot::channel();
            let (sender, progress) = watch::channel(Progress::Serving);
            let state = Arc::clone(state);
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            let handle = thread.spawn(move || worker::run(&state, index, inbox, ready, &sender))?;
            workers.threads.push(Thread { handle, progress });
            is_ready.await.map_err(|_| RunError::Panic)??;
        }
        Ok(workers)
    }

    fn drain(&self, until: Instant) {
        for worker in self.state.workers() {
            // A worker that panicked has ended, which joining its thread reveals.
            let _ = worker.inbox.send(Message::Drain(until));
        }
    }

    /// Has the workers finish their requests and stop their instances.
    pub(crate) async fn end(mut self, hurry: impl Future<Output = ()>) -> Ended {
        let bounds = &self.state.config.bounds;
        let until = after(bounds.drain);
        self.drain(until);
        let mut progress: Vec<_> = self.threads.iter().map(|thread| thread.progress.clone()).collect();
        let mut stopping = pin!(async {
            for progress in &mut progress {
                // An error means that the worker has ended.
                let _ = progress.wait_for(|progress| *progress == Progress::Stopping).await;
            }
        });
        tokio::select! {
            () = &mut stopping => {}
            () = sleep_until(until + GRACE) => {}
            () = hurry => {
                self.drain(Instant::now());
                let _ = timeout(GRACE, stopping).await;
            }
        }

        // A worker that still serves does not return to its event loop: it is stuck.
        let stopped = after(bounds.cleanup) + GRACE;
        for thread in self.threads.iter_mut().filter(|thread| thread.is_stopping()) {
            let _ = timeout_at(stopped, async { while thread.progress.changed().await.is_ok() {} }).await;
        }
        let mut ended = Ended { panicked: false, stuck: Vec::new() };
        for (index, thread) in std::mem::take(&mut self.threads).into_iter().enumerate() {
            if thread.has_ended() {
                ended.panicked |= thread.handle.join().is_err();
            } else {
                let stuck = self.stuck(index, &thread.handle);
                tracing::error!("{stuck}");
                ended.stuck.push(stuck);
            }
        }
        ended
    }

    fn stuck(&self, index: usize, handle: &JoinHandle<()>) -> StuckWorker {
        let guest = self.state.workers()[index].activity.read().and_then(|execution| {
            let route = self.state.routes.iter().find(|route| route.index == execution.route)?;
            Some(Guest {
                executor: route.served.spec.clone(),
                function: route.function.name().to_owned(),
                phase: execution.phase,
                instance: execution.instance,
            })
        });
        StuckWorker { thread: handle.thread().name().unwrap_or_default().to_owned(), guest }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.drain(after(self.state.config.bounds.drain));
    }
}

/// How the workers ended.
pub(crate) struct Ended {
    panicked: bool,
    stuck: Vec<StuckWorker>,
}

impl Ended {
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

/// Closes all executors at once. Returns the errors of those that failed or took too
/// long.
pub(crate) async fn close(state: &ServerState) -> Vec<Error> {
    for route in state.routes.iter().filter(|route| state.pools.preparations[route.index].is_running()) {
        let (function, executor) = (route.function.name(), &route.served.spec);
        tracing::warn!("`{function}` is still being prepared on {executor} while the server ends");
    }
    let bound = state.config.bounds.cleanup;
    let closed = join_all(state.routes.executors.iter().map(|served| close_one(served, bound))).await;
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

/// The instant after this duration; far in the future if there is no such instant.
fn after(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365);
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now + FAR)
}
