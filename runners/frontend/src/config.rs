//! What a server is told: where it listens, how it reuses instances, and what it
//! bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use isolab_core::{Reuse, Variant};

/// The settings of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 lets the system choose. Default: `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Threads that serve connections and own instances. Default: the processors
    /// this process may run on.
    pub workers: usize,
    /// When an instance is used again. Default: `warm`.
    pub reuse: Reuse,
    /// The variant of every function. Default: of each function the first in the
    /// order of [`Variant::ALL`] that the executor supports.
    pub variant: Option<Variant>,
    /// What no client and no function can exceed.
    pub bounds: Bounds,
    /// Whether `/-/phases` and `/-/instances/{function}` are there. They serve
    /// experiments, need one thread to see all instances, and so force `workers` to
    /// be 1. Default: no.
    pub control: bool,
}

/// Everything that is bounded here. Memory, time and response size of a function
/// are its own [`Limits`](isolab_core::Limits), which executors enforce.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Body of a request, in bytes; beyond it 413. Default: 16 MiB.
    pub body_bytes: u64,
    /// Time to receive a body; beyond it 408. Default: 30 s.
    pub body_wait: Duration,
    /// Request line and headers, in bytes, at least [`Bounds::LEAST_HEAD_BYTES`];
    /// beyond it 431. Default: 64 KiB.
    pub head_bytes: usize,
    /// Open connections; further ones wait to be accepted. Default: 1,024.
    pub connections: usize,
    /// How long a connection may be without a request in work: idle, sending a head,
    /// or taking a response. Beyond it the connection is closed, at the latest an
    /// eighth later. Default: 60 s.
    pub idle: Duration,
    /// Live instances of one executor, over all functions and workers. Default: 1,000.
    pub instances: usize,
    /// Requests that wait for an instance of one executor, or for one preparation;
    /// beyond it 503. Default: 1,024.
    pub queue: usize,
    /// How long a request waits there; beyond it 503. Default: 10 s.
    pub queue_wait: Duration,
    /// How long requests in flight may go on when the server stops, and then how long
    /// instances may take to stop. Default: 10 s.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            reuse: Reuse::Warm,
            variant: None,
            bounds: Bounds::default(),
            control: false,
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            body_wait: Duration::from_secs(30),
            head_bytes: 64 << 10,
            connections: 1_024,
            idle: Duration::from_mins(1),
            instances: 1_000,
            queue: 1_024,
            queue_wait: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

impl Bounds {
    /// The least head that hyper can be bounded to, in bytes.
    pub const LEAST_HEAD_BYTES: usize = 8_192;
}

impl Config {
    /// Says which setting cannot be, if there is one.
    pub(crate) fn check(&self) -> Result<(), String> {
        let bounds = &self.bounds;
        let least_one = [
            ("workers", self.workers),
            ("bounds.connections", bounds.connections),
            ("bounds.instances", bounds.instances),
        ];
        if let Some((name, _)) = least_one.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{name} must be at least 1"));
        }
        if bounds.head_bytes < Bounds::LEAST_HEAD_BYTES {
            return Err(format!("bounds.head_bytes must be at least {}", Bounds::LEAST_HEAD_BYTES));
        }
        if bounds.idle.is_zero() {
            return Err("bounds.idle must not be 0".into());
        }
        Ok(())
    }
}
