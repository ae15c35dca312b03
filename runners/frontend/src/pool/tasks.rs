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
    /// Whether a [`Batch`] is open, which will run what is deferred.
    is_batching: Cell<bool>,
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

    /// Until the batch is dropped, deferred work is kept.
    pub(crate) fn batch(self: &Rc<Self>) -> Batch<'_> {
        self.is_batching.set(true);
        Batch(self)
    }

    /// Keeps `work` until the response that is being made has been written, and then runs
    /// it before anything else: what an instance touched is still in the processor's cache,
    /// and the next request finds its place free.
    pub(crate) fn defer(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        if self.is_batching.get() {
            self.deferred.borrow_mut().push(Box::pin(work));
        } else {
            // It comes from elsewhere than a connection, or from a dropped one.
            self.spawn(work);
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

/// A stretch at whose end deferred work runs. What does not end at once goes on as a task.
pub(crate) struct Batch<'a>(&'a Rc<Tasks>);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let Self(tasks) = self;
        tasks.is_batching.set(false);
        // One panic is caught with its task; a second on top of it would end the process.
        let may_run = !std::thread::panicking();
        loop {
            let Some(mut work) = tasks.deferred.borrow_mut().pop() else { return };
            if !may_run || work.as_mut().now_or_never().is_none() {
                tasks.spawn(work);
            }
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

#[cfg(test)]
mod tests {
    use tokio::task::{LocalSet, yield_now};

    use super::*;

    /// Work that counts itself.
    fn work(done: &Rc<Cell<usize>>) -> impl Future<Output = ()> + 'static {
        let done = Rc::clone(done);
        async move { done.set(done.get() + 1) }
    }

    async fn locally(test: impl Future<Output = ()>) {
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn deferred_work_runs_at_the_end_of_the_batch() {
        locally(async {
            let (tasks, done) = (Rc::new(Tasks::default()), Rc::default());
            let batch = tasks.batch();
            tasks.defer(work(&done));
            tasks.defer(work(&done));
            assert_eq!(done.get(), 0);
            drop(batch);
            assert_eq!((done.get(), tasks.running()), (2, 0));
        })
        .await;
    }

    #[tokio::test]
    async fn deferred_work_that_waits_goes_on_as_a_task() {
        locally(async {
            let (tasks, done) = (Rc::new(Tasks::default()), Rc::default());
            let batch = tasks.batch();
            let after = work(&done);
            tasks.defer(async {
                yield_now().await;
                after.await;
            });
            drop(batch);
            assert_eq!((done.get(), tasks.running()), (0, 1));
            tasks.all_ended().await;
            assert_eq!(done.get(), 1);
        })
        .await;
    }

    #[tokio::test]
    async fn without_a_batch_deferred_work_is_a_task_and_a_panic_loses_none() {
        locally(async {
            let (tasks, done) = (Rc::new(Tasks::default()), Rc::default());
            tasks.defer(work(&done));
            assert_eq!((done.get(), tasks.running()), (0, 1));
            let (inner, counted) = (Rc::clone(&tasks), Rc::clone(&done));
            let panicked = tokio::task::spawn_local(async move {
                let _batch = inner.batch();
                inner.defer(work(&counted));
                panic!("as expected");
            });
            assert!(panicked.await.is_err());
            tasks.all_ended().await;
            assert_eq!((done.get(), tasks.running()), (2, 0));
        })
        .await;
    }
}
