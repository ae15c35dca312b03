//! The messages that a thread gets from the acceptor and from other threads.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use nix::unistd::Pid;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::computing::Job;
use crate::registry::{Admission, Registry};
use crate::telemetry::activity::{Activity, Execution};
use crate::telemetry::metrics::WorkerMetrics;

/// A message to a worker or a compute thread.
pub(crate) enum Message {
    /// Serve this connection.
    Serve(TcpStream, Admission),
    /// Answer this request, whose connection is on another thread.
    Compute(Box<Job>),
    /// Stop one idle instance of the executor with this index, if there is one.
    Evict(usize),
    /// Stop the idle instances of the route with this index: its requests now run elsewhere.
    Leave(usize),
    /// Send requests to the server's present routes from now on.
    Reroute,
    /// Close the connections that have been quiet for too long. The acceptor sends it:
    /// a worker without timers of its own sleeps and wakes faster.
    Sweep,
    /// Finish the requests in flight until this instant at the latest, stop all
    /// instances, and end. May come again with an earlier instant.
    Drain(Instant),
}

/// The work of a thread. The supervisor alone changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Role {
    /// There is no thread yet.
    Vacant,
    /// It has connections, and instances of quick routes.
    Worker,
    /// It has instances of slow routes.
    Compute,
    /// A guest holds it for ever; others have taken over its work.
    Lost,
}

/// A worker or a compute thread, as other threads know it.
pub(crate) struct ThreadHandle {
    pub(crate) inbox: UnboundedSender<Message>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) registry: Arc<Registry>,
    role: AtomicU8,
    /// The kernel's name for the thread, once it runs.
    pub(crate) kernel_id: OnceLock<Pid>,
    /// Whether a guest has held the thread for so long that it should get no more connections.
    pub(crate) is_stalled: AtomicBool,
    /// The phase that a lost thread was executing.
    pub(crate) lost_in: OnceLock<Execution>,
}

impl ThreadHandle {
    /// A thread that does not run yet.
    pub(crate) fn vacant() -> (Self, UnboundedReceiver<Message>) {
        let (inbox, receiver) = unbounded_channel();
        let handle = Self {
            inbox,
            metrics: Arc::default(),
            activity: Arc::default(),
            registry: Arc::default(),
            role: AtomicU8::new(Role::Vacant as u8),
            kernel_id: OnceLock::new(),
            is_stalled: AtomicBool::new(false),
            lost_in: OnceLock::new(),
        };
        (handle, receiver)
    }

    pub(crate) fn role(&self) -> Role {
        match self.role.load(Ordering::Acquire) {
            role if role == Role::Worker as u8 => Role::Worker,
            role if role == Role::Compute as u8 => Role::Compute,
            role if role == Role::Lost as u8 => Role::Lost,
            _ => Role::Vacant,
        }
    }

    pub(crate) fn set_role(&self, role: Role) {
        self.role.store(role as u8, Ordering::Release);
    }

    /// Sends a message. A thread that has ended has no use for it.
    pub(crate) fn tell(&self, message: Message) {
        let _ = self.inbox.send(message);
    }
}
