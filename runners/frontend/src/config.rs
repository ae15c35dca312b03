//! The settings of a server: where it listens, how it reuses instances, and its bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use isolab_core::{Reuse, Variant};

/// The settings of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 lets the system choose. Default: `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Threads that serve connections and own instances. Default: one for each processor
    /// that this process may run on.
    pub workers: usize,
    /// The most threads for requests of functions that hold a thread for long; 0 for none, so that
    /// every request holds up the other connections of its worker. Default: four for each
    /// processor that this process may run on. A function gets half of them at most.
    pub compute_threads: usize,
    /// When an instance is used again. Default: `warm`.
    pub reuse: Reuse,
    /// The variant of every function. Default: for each function, the first in the order
    /// of [`Variant::ALL`] that the executor supports.
    pub variant: Option<Variant>,
    /// Of how many answers that a worker gives, one carries its bill although no client asks for
    /// it. Default: none does.
    pub bill_every: Option<NonZeroU32>,
    /// The bounds that no client and no function can exceed.
    pub bounds: Bounds,
    /// Whether the server has the pages for experiments, `/-/phases` and
    /// `/-/instances/{function}`. One thread must see all instances for them, so
    /// `workers` becomes 1 and `compute_threads` 0: an experiment measures a function alone, and
    /// without the cost of a second thread. Default: no.
    pub control: bool,
}

/// The bounds of a server. Memory, time and response size of a function are bounded by
/// its own [`Limits`](isolab_core::Limits), which executors enforce.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Body of a request, in bytes; beyond it 413. Default: 16 MiB.
    pub body_bytes: u64,
    /// Bodies of all requests together, in bytes; beyond it 503. Default: 256 MiB.
    pub bodies_bytes: u64,
    /// Time to receive a body; beyond it 408. Default: 30 s.
    pub body_wait: Duration,
    /// Request line and headers, in bytes, at least [`Bounds::LEAST_HEAD_BYTES`];
    /// beyond it 431. Default: 64 KiB.
    pub head_bytes: usize,
    /// Open connections; further ones wait to be accepted. Default: 1,024.
    pub connections: usize,
    /// How long a connection may be without a request in work: idle, sending a head,
    /// or receiving a response. Then the server closes it, at most an eighth of this time
    /// later. At least [`Bounds::MIN_IDLE`]. Default: 60 s.
    pub idle: Duration,
    /// Live instances of one executor, over all functions and workers. Default: 1,000.
    pub instances: usize,
    /// Requests that wait for an instance of one executor, or for one preparation;
    /// beyond it 503. Default: 1,024.
    pub queue: usize,
    /// How long a request may wait in that queue; beyond it 503. Default: 10 s.
    pub queue_wait: Duration,
    /// How long requests in flight may go on when the server ends. Default: 10 s.
    pub drain: Duration,
    /// How long instances may then take to stop, and after that how long executors may
    /// take to remove what they keep outside of the process. Default: 10 s.
    pub cleanup: Duration,
}

/// Compute threads for each processor: two functions that compute without end get one half and one
/// quarter of them, and the rest remains for others.
const COMPUTE_THREADS: usize = 4;

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            workers: processors(),
            compute_threads: COMPUTE_THREADS * processors(),
            reuse: Reuse::Warm,
            variant: None,
            bill_every: None,
            bounds: Bounds::default(),
            control: false,
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            bodies_bytes: 256 << 20,
            body_wait: Duration::from_secs(30),
            head_bytes: 64 << 10,
            connections: 1_024,
            idle: Duration::from_mins(1),
            instances: 1_000,
            queue: 1_024,
            queue_wait: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            cleanup: Duration::from_secs(10),
        }
    }
}

impl Bounds {
    /// The smallest idle time: connections are checked several times within it.
    pub const MIN_IDLE: Duration = Duration::from_millis(1);

    /// The smallest bound of a head that hyper accepts, in bytes.
    pub const LEAST_HEAD_BYTES: usize = 8_192;
}

impl Config {
    /// Finds a setting with a value that it cannot have, and says what it must be.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bounds = &self.bounds;
        let at_least_one = [
            ("workers", self.workers),
            ("bounds.connections", bounds.connections),
            ("bounds.instances", bounds.instances),
        ];
        if let Some((name, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} must be at least 1"));
        }
        if bounds.head_bytes < Bounds::LEAST_HEAD_BYTES {
            return Err(format!("bounds.head_bytes must be at least {}", Bounds::LEAST_HEAD_BYTES));
        }
        if bounds.idle < Bounds::MIN_IDLE {
            return Err(format!("bounds.idle must be at least {:?}", Bounds::MIN_IDLE));
        }
        Ok(())
    }
}
