//! The closed loop: every connection sends its next request when it has the answer to the
//! last. All of them share one thread, and nothing is allocated while they run: the
//! request was serialised before, answers are read into a reused buffer and compared
//! there with what is expected.
//!
//! Time is divided into *windows*, each of which ends with an answer and begins
//! with the one that ended the window before, so that a rate is never cut off in
//! the middle of a request.
//!
//! - [`connection`]: one connection's loop.
//! - [`counter`]: what the connections count together.
//! - [`outcome`]: what comes out.

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

/// What is sent, to whom, and for how long.
#[derive(Clone, Debug)]
pub struct ClosedLoad {
    /// The servers, at least one; connections are spread over them in turn.
    pub addresses: Vec<SocketAddr>,
    /// The one request that all connections send.
    pub request: Wire,
    /// What makes an answer a right one.
    pub expected: Expected,
    /// How many connections there are.
    pub connections: usize,
    /// The windows, one after the other.
    pub windows: Vec<Span>,
    /// How long nothing at all may be answered before the load is broken off.
    pub patience: Duration,
    /// Whether this thread looks for answers without ever sleeping. It then has to have a
    /// processor to itself; in return the server does not pay for waking it, which on a
    /// virtual machine can cost more than the answer.
    pub is_spinning: bool,
}

/// How long a window lasts: until both are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Wall-clock time.
    pub duration: Duration,
    /// Answers.
    pub answers: u64,
}

impl Span {
    /// As long as this, and one answer.
    pub fn lasting(duration: Duration) -> Self {
        Self { duration, answers: 1 }
    }
}

/// Runs a load on the calling thread. `at_boundary` is called when the first window
/// begins and whenever one ends, to read other clocks at the same moment.
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

/// Ends when nothing was answered for as long as the load's patience lasts.
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
