//! The messages that a worker gets from the acceptor and from other workers.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::telemetry::activity::Activity;
use crate::telemetry::metrics::WorkerMetrics;

/// A message to a worker.
pub(crate) enum Message {
    /// Serve this connection.
    Serve(TcpStream, Admission),
    /// Stop one idle instance of the executor with this index, if there is one.
    Evict(usize),
    /// Close the connections that have been quiet for too long. The acceptor sends it:
    /// a worker without timers of its own sleeps and wakes faster.
    Sweep,
    /// Finish the requests in flight until this instant at the latest, stop all
    /// instances, and end. May come again with an earlier instant.
    Drain(Instant),
}

/// A worker, as other threads know it.
pub(crate) struct WorkerHandle {
    pub(crate) inbox: UnboundedSender<Message>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) activity: Arc<Activity>,
}

/// A connection's permission to be open, which ends when it is dropped.
pub(crate) struct Admission {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<WorkerMetrics>,
}

impl Admission {
    /// Admits a connection to the worker with these metrics.
    pub(crate) fn new(permit: OwnedSemaphorePermit, metrics: &Arc<WorkerMetrics>) -> Self {
        metrics.open.fetch_add(1, Ordering::Relaxed);
        Self { _permit: permit, metrics: Arc::clone(metrics) }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.metrics.open.fetch_sub(1, Ordering::Relaxed);
    }
}
