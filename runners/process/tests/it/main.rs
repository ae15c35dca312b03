//! The executor `process`.

mod conformance;
mod lifecycle;
mod support;
