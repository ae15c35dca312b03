//! A thread's connections, as other threads know them.
//!
//! A guest may hold the thread for as long as it likes. Another thread can then take connections
//! over: it answers them, or moves them to another worker. The thread that lost them finds each
//! of them [taken](Traffic::is_taken) when it goes on, and leaves its socket alone.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;
use tokio::sync::OwnedSemaphorePermit;

use crate::telemetry::metrics::WorkerMetrics;

/// A connection's permission to be open, which ends when it is dropped.
pub(crate) struct Admission {
    permit: OwnedSemaphorePermit,
    _counted: Counted,
}

/// Counts a connection of a worker until it is dropped.
struct Counted(Arc<WorkerMetrics>);

impl Counted {
    fn new(metrics: &Arc<WorkerMetrics>) -> Self {
        metrics.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Admits a connection to the worker with these metrics.
    pub(crate) fn new(permit: OwnedSemaphorePermit, metrics: &Arc<WorkerMetrics>) -> Self {
        Self { permit, _counted: Counted::new(metrics) }
    }

    /// The same permission on another worker.
    pub(crate) fn moved_to(self, metrics: &Arc<WorkerMetrics>) -> Self {
        Self::new(self.permit, metrics)
    }
}

/// The last thing that happened on a connection's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Last {
    /// Everything was written that there was to write, or nothing happened yet.
    Written,
    /// Bytes were read that may be part of a request.
    Read,
    /// A write waits for the client to read.
    Blocked,
}

/// The state of a connection. Only its own thread writes it, except that it may be taken.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// The tick since which no request is in work; [`IN_WORK`] while one is.
    quiet_since: AtomicU64,
    last: AtomicU8,
    is_taken: AtomicBool,
}

const IN_WORK: u64 = u64::MAX;

impl Traffic {
    fn new(now: u64) -> Self {
        let (last, is_taken) = (AtomicU8::new(Last::Written as u8), AtomicBool::new(false));
        Self { quiet_since: AtomicU64::new(now), last, is_taken }
    }

    pub(crate) fn begin_work(&self) {
        self.quiet_since.store(IN_WORK, Ordering::Relaxed);
        // Its head has been read, perhaps together with an earlier request.
        self.last.store(Last::Read as u8, Ordering::Relaxed);
    }

    pub(crate) fn end_work(&self, now: u64) {
        self.quiet_since.store(now, Ordering::Relaxed);
    }

    /// The tick since which no request is in work; `None` while one is.
    pub(crate) fn quiet_since(&self) -> Option<u64> {
        Some(self.quiet_since.load(Ordering::Relaxed)).filter(|since| *since != IN_WORK)
    }

    pub(crate) fn read(&self) {
        if !self.is_blocked() {
            self.last.store(Last::Read as u8, Ordering::Relaxed);
        }
    }

    pub(crate) fn wrote(&self, is_blocked: bool) {
        let last = if is_blocked { Last::Blocked } else { Last::Written };
        self.last.store(last as u8, Ordering::Relaxed);
    }

    /// Whether a response waits for the client to read.
    pub(crate) fn is_blocked(&self) -> bool {
        self.last.load(Ordering::Relaxed) == Last::Blocked as u8
    }

    /// Whether another thread has the connection now.
    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
    }

    fn state(&self) -> State {
        let last = self.last.load(Ordering::Relaxed);
        match (self.quiet_since(), last) {
            (Some(_), last) if last == Last::Written as u8 => State::Idle,
            (None, last) if last == Last::Read as u8 => State::Asked,
            _ => State::HalfWay,
        }
    }
}

/// A connection in the eyes of a thread that takes it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No part of a request or of a response is on its way.
    Idle,
    /// Its request is in work, and nothing of the response has been written.
    Asked,
    /// Part of a request was read, or part of a response was written.
    HalfWay,
}

struct Entry {
    fd: RawFd,
    traffic: Arc<Traffic>,
    admission: Admission,
}

/// The connections of one thread.
#[derive(Default)]
pub(crate) struct Registry {
    entries: Mutex<HashMap<u64, Entry>>,
    /// The connection, or on a compute thread the job, that the thread has attended to last.
    attended: AtomicU64,
}

impl Registry {
    /// Registers a connection at this tick. Its socket must be closed after the result is dropped.
    pub(crate) fn register(
        self: &Arc<Self>,
        stream: &impl AsRawFd,
        admission: Admission,
        now: u64,
    ) -> Registration {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (key, traffic) = (NEXT.fetch_add(1, Ordering::Relaxed), Arc::new(Traffic::new(now)));
        let entry = Entry { fd: stream.as_raw_fd(), traffic: Arc::clone(&traffic), admission };
        self.entries().insert(key, entry);
        Registration { registry: Arc::clone(self), key, traffic }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        // No code that can panic runs under the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn attend_to(&self, key: u64) {
        self.attended.store(key, Ordering::Relaxed);
    }

    pub(crate) fn attended(&self) -> u64 {
        self.attended.load(Ordering::Relaxed)
    }

    /// Takes over the idle connections of a thread that is held. Those that cannot be taken stay.
    pub(crate) fn take_idle(&self) -> Vec<(TcpStream, Admission)> {
        let mut taken = Vec::new();
        let mut entries = self.entries();
        let idle: Vec<u64> = entries
            .iter()
            .filter(|(_, entry)| entry.traffic.state() == State::Idle)
            .map(|(key, _)| *key)
            .collect();
        for key in idle {
            let stream = match entries[&key].stream() {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!("a connection of a thread that is held cannot be moved: {error}");
                    continue;
                }
            };
            let entry = entries.remove(&key).expect("it was found under the same lock");
            entry.traffic.is_taken.store(true, Ordering::Relaxed);
            taken.push((stream, entry.admission));
        }
        taken
    }

    /// Takes over all connections of a thread that is held for ever. Those whose request is in work
    /// get an answer; `answer` is told whether the thread is held by that request. All are closed.
    pub(crate) fn close_all(&self, mut answer: impl FnMut(bool) -> Vec<u8>) {
        let guilty = self.attended();
        for (key, entry) in self.entries().drain() {
            entry.traffic.is_taken.store(true, Ordering::Relaxed);
            let socket = entry.socket();
            let socket = SockRef::from(&socket);
            // An error means that the client has left.
            let _ = if entry.traffic.state() == State::Asked {
                // A socket whose response has not begun has room for it. The client may still
                // send: if the socket did not take it, the response could be lost.
                socket.send(&answer(key == guilty)).and_then(|_| socket.shutdown(Shutdown::Write))
            } else {
                socket.shutdown(Shutdown::Both)
            };
        }
    }
}

impl Entry {
    fn socket(&self) -> BorrowedFd<'_> {
        // SAFETY: the entry is in the registry, whose lock the caller holds. Its connection closes
        // the descriptor after it has removed the entry under the same lock.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// The same connection with a descriptor of its own.
    fn stream(&self) -> std::io::Result<TcpStream> {
        Ok(TcpStream::from(self.socket().try_clone_to_owned()?))
    }
}

/// A connection's entry in the registry of its thread, until this is dropped.
pub(crate) struct Registration {
    registry: Arc<Registry>,
    key: u64,
    pub(crate) traffic: Arc<Traffic>,
}

impl Registration {
    /// Says that the thread attends to this connection.
    pub(crate) fn attend(&self) {
        self.registry.attend_to(self.key);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Another thread may have taken it.
        self.registry.entries().remove(&self.key);
    }
}
