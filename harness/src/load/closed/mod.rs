//! The closed loop: every connection sends its next request when it has the answer to the
//! last. All connections share one thread, and nothing is allocated while they run: the
//! request is serialised before, and answers are compared in a reused buffer.
//!
//! Time is divided into *windows*. Each ends with an answer, and the next begins with that
//! answer, so that no window cuts a request in two.
//!
//! - [`connection`]: one connection's loop.
//! - [`counter`]: what the connections count together.
//! - [`outcome`]: the result.

pub mod connection;
pub mod counter;
pub mod outcome;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join_all;

use super::{Expected, block_on, spin};
use crate::http1::Wire;
use counter::AnswerCounter;
pub use outcome::{ClosedOutcome, ClosedWindow};

/// A closed loop to run.
#[derive(Clone, Debug)]
pub struct ClosedLoad {
    /// The servers, at least one; connections are spread over them in turn.
    pub addresses: Vec<SocketAddr>,
    /// The one request that all connections send.
    pub request: Wire,
    /// The expected answer.
    pub expected: Expected,
    /// Number of connections.
    pub connections: usize,
    /// The windows, one after the other.
    pub windows: Vec<Span>,
    /// The load is broken off if no connection has an answer for this long.
    pub patience: Duration,
    /// Whether this thread polls for answers and never sleeps. It then needs a processor to
    /// itself. In return the server need not wake it, which on a virtual machine can cost more
    /// than the answer.
    pub is_spinning: bool,
}

/// The length of a window: it ends when both are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Wall-clock time.
    pub duration: Duration,
    /// Answers.
    pub answers: u64,
}

impl Span {
    /// This long, and at least one answer.
    pub fn lasting(duration: Duration) -> Self {
        Self { duration, answers: 1 }
    }
}

/// Runs a load on the calling thread. `at_boundary` is called when the first window
/// begins and whenever one ends, to read other clocks at the same moment.
///
/// # Errors
/// If a connection cannot be opened.
pub fn run(load: &ClosedLoad, at_boundary: impl FnMut()) -> Result<ClosedOutcome> {
    block_on(generate(load, at_boundary))
}

async fn generate(load: &ClosedLoad, at_boundary: impl FnMut()) -> Result<ClosedOutcome> {
    let mut streams = Vec::with_capacity(load.connections);
    for address in load.addresses.iter().copied().cycle().take(load.connections) {
        let stream = connection::open(address).await.with_context(|| {
            format!("connection {} of {} to {address} failed", streams.len() + 1, load.connections)
        })?;
        streams.push((address, stream));
    }
    let counter = Rc::new(RefCell::new(AnswerCounter::begin(&load.windows, at_boundary)));
    let drivers =
        streams.into_iter().map(|(address, stream)| connection::drive(load, address, stream, &counter));
    let is_stalled = tokio::select! {
        _ = join_all(drivers) => false,
        () = stall(load, &counter) => true,
        () = spin(), if load.is_spinning => unreachable!("spinning never ends"),
    };
    if is_stalled {
        let reason = format!("no answer within {:?}", load.patience);
        counter.borrow_mut().break_off(load.connections, &reason);
    }
    Ok(counter.borrow_mut().take())
}

/// Ends when no connection had an answer for as long as the load's patience.
async fn stall<F: FnMut()>(load: &ClosedLoad, counter: &RefCell<AnswerCounter<F>>) {
    let mut answered = counter.borrow().progress();
    loop {
        tokio::time::sleep(load.patience).await;
        let now = counter.borrow().progress();
        if now == answered {
            return;
        }
        answered = now;
    }
}
