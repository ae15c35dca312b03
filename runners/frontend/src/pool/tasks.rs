//! Work that outlives the request it came from.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::Notify;

/// The tasks of one worker that must end before the worker does. They go on when the
/// connection that began them is dropped.
#[derive(Default)]
pub(crate) struct Tasks {
    running: Cell<usize>,
    ended: Notify,
    deferred: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    /// Whether a [`Batch`] is open, which will run deferred work.
    is_batching: Cell<bool>,
}

impl Tasks {
    /// Runs `work` on this thread, once the calling task has yielded.
    pub(crate) fn spawn(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        let running = Running::begin(self);
        tokio::task::spawn_local(async move {
            work.await;
            drop(running);
        });
    }

    /// Keeps deferred work until the batch is dropped.
    pub(crate) fn batch(self: &Rc<Self>) -> Batch<'_> {
        self.is_batching.set(true);
        Batch(self)
    }

    /// Keeps `work` until the response in progress has been written, and then runs it
    /// before anything else: the instance's memory is still in the processor's cache, and
    /// the next request finds the instance's place free.
    pub(crate) fn defer(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        if self.is_batching.get() {
            self.deferred.borrow_mut().push(Box::pin(work));
        } else {
            // The work comes from a task, or from a dropped connection.
            self.spawn(work);
        }
    }

    /// The number of tasks.
    #[cfg(test)]
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

/// Runs deferred work when it is dropped. Work that does not end at its first poll goes
/// on as a task.
pub(crate) struct Batch<'a>(&'a Rc<Tasks>);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let Self(tasks) = self;
        tasks.is_batching.set(false);
        // A second panic during a panic would end the process.
        let may_run = !std::thread::panicking();
        loop {
            let Some(mut work) = tasks.deferred.borrow_mut().pop() else { return };
            if !may_run || work.as_mut().now_or_never().is_none() {
                tasks.spawn(work);
            }
        }
    }
}

/// Counts a task until it ends, also by a panic.
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
    async fn deferred_work_runs_as_a_task_without_a_batch_and_after_a_panic() {
        locally(async {
            let (tasks, done) = (Rc::new(Tasks::default()), Rc::default());
            tasks.defer(work(&done));
            assert_eq!((done.get(), tasks.running()), (0, 1));
            let (inner, counted) = (Rc::clone(&tasks), Rc::clone(&done));
            let panicked = tokio::task::spawn_local(async move {
                let _batch = inner.batch();
                inner.defer(work(&counted));
                panic!("on purpose");
            });
            assert!(panicked.await.is_err());
            tasks.all_ended().await;
            assert_eq!((done.get(), tasks.running()), (2, 0));
        })
        .await;
    }
}
