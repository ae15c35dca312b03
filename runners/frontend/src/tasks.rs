//! Work that outlives the request it came from.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::Notify;

/// Counts the tasks of one worker that must end before the worker does. Dropped
/// connections do not take them along.
#[derive(Default)]
pub(crate) struct Tasks {
    running: Cell<usize>,
    ended: Notify,
    deferred: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
}

impl Tasks {
    /// Runs `work` on this thread, after the task that asked for it has yielded.
    pub(crate) fn spawn(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        let running = Running::begin(self);
        tokio::task::spawn_local(async move {
            work.await;
            drop(running);
        });
    }

    /// Keeps `work` until the response that is being made has been written, and then runs
    /// it before anything else: what an instance touched is still in the processor's cache,
    /// and the next request finds its place free.
    pub(crate) fn defer(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        let is_first = self.deferred.borrow().is_empty();
        self.deferred.borrow_mut().push(Box::pin(work));
        if is_first {
            // For work that comes from elsewhere than a connection, or from a dropped one.
            let tasks = Rc::clone(self);
            self.spawn(async move { tasks.run_deferred() });
        }
    }

    /// Runs what was deferred. What does not end at once goes on as a task.
    pub(crate) fn run_deferred(self: &Rc<Self>) {
        loop {
            let Some(mut work) = self.deferred.borrow_mut().pop() else { return };
            if work.as_mut().now_or_never().is_none() {
                self.spawn(work);
            }
        }
    }

    /// How many there are.
    pub(crate) fn running(&self) -> usize {
        self.running.get()
    }

    /// Returns when no task is running.
    pub(crate) async fn all_ended(&self) {
        while self.running.get() > 0 {
            self.ended.notified().await;
        }
    }
}

/// Also counts down when the task panics.
struct Running(Rc<Tasks>);

impl Running {
    fn begin(tasks: &Rc<Tasks>) -> Self {
        tasks.running.set(tasks.running.get() + 1);
        Self(Rc::clone(tasks))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let running = self.0.running.get() - 1;
        self.0.running.set(running);
        if running == 0 {
            self.0.ended.notify_waiters();
        }
    }
}
