//! The executor `v8` from outside.

mod conformance;
mod handlers;
mod instances;
mod limits;
mod snapshots;
mod support;
mod timers;
mod waiting;
