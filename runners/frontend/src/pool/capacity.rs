//! How many instances may be live, and how many requests may wait for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// The places for instances of one executor, over all functions and workers.
pub(crate) struct Capacity {
    pub(crate) places: Arc<Semaphore>,
    pub(crate) instances: usize,
    pub(crate) queue: Queue,
}

impl Capacity {
    pub(crate) fn new(instances: usize, queue: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(instances)), instances, queue: Queue::new(queue) }
    }

    /// How many requests wait for a place or for an idle instance.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }
}

/// A bounded number of requests that wait.
pub(crate) struct Queue {
    length: AtomicUsize,
    most: usize,
}

impl Queue {
    pub(crate) fn new(most: usize) -> Self {
        Self { length: AtomicUsize::new(0), most }
    }

    /// Joins the queue; leaves it when the turn is dropped. `None` if it is full.
    ///
    /// Sequentially consistent, as is [`Queue::len`]: who gives an instance back must
    /// not miss a request that began to wait before it asked for eviction.
    pub(crate) fn enter(&self) -> Option<Turn<'_>> {
        let turn = Turn(self);
        let before = self.length.fetch_add(1, Ordering::SeqCst);
        (before < self.most).then_some(turn)
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::SeqCst)
    }
}

/// A request's stay in a queue.
pub(crate) struct Turn<'a>(&'a Queue);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.length.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_nobody_until_one_leaves() {
        let queue = Queue::new(1);
        let turn = queue.enter().unwrap();
        assert!(queue.enter().is_none());
        assert_eq!(queue.len(), 1);
        drop(turn);
        assert!(queue.enter().is_some());
        assert_eq!(queue.len(), 0);
    }
}
