//! Tests of figures: times, memory, allocations. Cargo runs one test binary at a time, and
//! these tests run one at a time, so that nothing else uses the machine meanwhile.

mod generator;
mod instruments;
mod load_allocations;
mod load_open;
mod outside;
mod report;
#[path = "../it/support/mod.rs"]
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each test of this binary while it measures.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
