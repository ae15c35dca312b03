//! The executors from outside.

mod conformance;
mod support;
