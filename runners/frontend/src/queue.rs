//! A bounded number of requests that wait for something.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A bounded number of waiting requests.
pub(crate) struct Queue {
    length: AtomicUsize,
    max: usize,
}

impl Queue {
    pub(crate) fn new(max: usize) -> Self {
        Self { length: AtomicUsize::new(0), max }
    }

    /// Joins the queue until the result is dropped. `None` if the queue is full.
    ///
    /// Sequentially consistent, as [`Queue::len`] is: a worker that gets an instance back
    /// must see a request that joined the queue before it asked for an eviction.
    pub(crate) fn join(&self) -> Option<Queued<'_>> {
        let queued = Queued(self);
        let before = self.length.fetch_add(1, Ordering::SeqCst);
        (before < self.max).then_some(queued)
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::SeqCst)
    }
}

/// A request's stay in a queue.
pub(crate) struct Queued<'a>(&'a Queue);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.length.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_admits_no_request_until_one_leaves() {
        let queue = Queue::new(1);
        let queued = queue.join().unwrap();
        assert!(queue.join().is_none());
        assert_eq!(queue.len(), 1);
        drop(queued);
        assert!(queue.join().is_some());
        assert_eq!(queue.len(), 0);
    }
}
