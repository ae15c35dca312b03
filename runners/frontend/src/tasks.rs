//! Work that outlives the request it came from.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Counts the tasks of one worker that must end before the worker does. Dropped
/// connections do not take them along.
#[derive(Default)]
pub(crate) struct Tasks {
    running: Cell<usize>,
    ended: Notify,
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
