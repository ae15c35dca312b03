//! The executor `wasm` from outside.

mod cache;
mod command;
mod conformance;
mod javascript;
mod streaming;
mod support;
mod wasi;
