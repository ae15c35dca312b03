//! The variants `rust` and `command`: a Wasm module in V8's own Wasm engine.
//!
//! The module is compiled once, and all its instances share the code. V8 compiles each
//! function with its fast compiler at the first call, and again in the background with its
//! optimising compiler once the function is hot. V8's API for Rust cannot serialise that
//! code, so there is no artifact to cache.

mod command;
mod compiled;
mod function;
mod linear;
mod wasi;

pub(crate) use self::command::PreparedCommand;
pub(crate) use self::function::PreparedModule;

#[cfg(test)]
mod tests;
