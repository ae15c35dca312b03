//! The executor `process`.

mod confinement;
mod conformance;
mod lifecycle;
mod support;
