//! The executor `v8` from outside.

mod conformance;
mod contexts;
mod fetch;
mod handlers;
mod instances;
mod limits;
mod snapshots;
mod streams;
mod support;
mod timers;
mod waiting;
