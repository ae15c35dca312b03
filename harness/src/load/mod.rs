//! The load generator: a closed loop over kept connections ([`closed`]), an open loop at
//! a fixed rate ([`open`]), a burst ([`burst`]), and a mix of many functions ([`mixed`]).
//!
//! - [`exchange`]: one request, its answer, and the check of that answer.
//! - [`ladder`]: rates that all cells share. [`search`] and [`slo`]: the highest rate that
//!   keeps a bound.
//! - [`outcome`]: faults, which every kind of load counts alike.

pub mod burst;
pub mod closed;
pub mod exchange;
pub mod ladder;
pub mod mixed;
pub mod open;
pub mod outcome;
pub mod search;
pub mod slo;

use anyhow::{Context, Result};
use bytes::Bytes;

pub use outcome::Fault;

/// The expected answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
    /// Whether a different body is a fault. Otherwise it is only counted.
    pub is_strict: bool,
}

/// Runs a load to its end on the calling thread, which all its connections share.
fn block_on<T>(load: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime of the load generator")?;
    runtime.block_on(load)
}

/// Keeps the runtime from sleeping: it polls for events between two yields.
async fn spin() {
    loop {
        tokio::task::yield_now().await;
    }
}
