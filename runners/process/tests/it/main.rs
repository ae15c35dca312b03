//! The executor `process`.

mod confinement;
mod conformance;
mod fork;
mod lifecycle;
mod support;
mod wasm2c;
