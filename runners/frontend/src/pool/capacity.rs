//! How many instances may be live, and how many requests may wait for one.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::queue::Queue;

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

    /// The number of requests that wait for a place or for an idle instance.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }
}
