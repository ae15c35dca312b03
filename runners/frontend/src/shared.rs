//! What all workers of a server share.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::config::Config;
use crate::pool::capacity::Capacity;
use crate::pool::prepare::Preparation;
use crate::route::Routes;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::record::Recorder;
use crate::worker::Message;

/// What all workers of a server share. Nothing in it is locked while a warm
/// instance answers, but for the record that experiments ask for.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) routes: Routes,
    /// By the route's index.
    pub(crate) preparations: Vec<Preparation>,
    /// By the executor's place.
    pub(crate) capacities: Vec<Capacity>,
    pub(crate) workers: Vec<Reach>,
    /// Only with [`Config::control`].
    pub(crate) recorder: Option<Recorder>,
}

/// How a worker is reached from other threads.
pub(crate) struct Reach {
    pub(crate) inbox: UnboundedSender<Message>,
    pub(crate) metrics: Arc<WorkerMetrics>,
}

impl Shared {
    /// Asks every worker to stop one idle instance of an executor, to make place for
    /// a request that waits.
    pub(crate) fn evict(&self, executor_index: usize) {
        for worker in &self.workers {
            // A worker that has ended holds no instance.
            let _ = worker.inbox.send(Message::Evict(executor_index));
        }
    }
}
