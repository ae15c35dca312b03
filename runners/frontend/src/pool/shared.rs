//! The state that the pools of all workers share.

use std::time::Duration;

use isolab_core::Reuse;

use super::capacity::Capacity;
use super::prepare::Preparation;
use crate::inbox::{Message, WorkerHandle};
use crate::telemetry::record::Recorder;

/// Shared by the pools of all workers.
pub(crate) struct Shared {
    pub(crate) reuse: Reuse,
    /// Whether the server bills by itself.
    pub(crate) bill: bool,
    /// How long a request waits for an instance or for a preparation.
    pub(crate) queue_wait: Duration,
    /// By the route's index.
    pub(crate) preparations: Vec<Preparation>,
    /// By the executor's index.
    pub(crate) capacities: Vec<Capacity>,
    pub(crate) workers: Vec<WorkerHandle>,
    /// Only with [`Config::control`](crate::Config::control).
    pub(crate) recorder: Option<Recorder>,
}

impl Shared {
    /// Asks every worker to stop one idle instance of an executor, so that a waiting
    /// request gets its place.
    pub(crate) fn evict(&self, executor_index: usize) {
        for worker in &self.workers {
            // A worker that has ended holds no instance.
            let _ = worker.inbox.send(Message::Evict(executor_index));
        }
    }
}
