//! Executors for further Wasm engines. Each runs the very bytes that the executor `wasm` runs; `wasm3` those of
//! `wasm:simd=off`.
//!
//! | executor | engine | how its deadline is enforced |
//! |---|---|---|
//! | `wasmi` | an interpreter in Rust ([`wasmi`]) | fuel: the interpreter pauses after a number of steps, and the host looks at the clock |
//! | `wasm3` | an interpreter in C ([`wasm3`]) | a call in each round of a loop: the interpreter asks the host before calls, and the host looks at the clock |
//! | `wasmer` | a compiler, Cranelift ([`wasmer`]) | a signal to the thread that runs the guest (`isolab_core::watchdog`) |
//!
//! An engine says how it compiles, starts and calls a module (`engine`). All else is shared: the
//! life cycle (`executor`, `instance`), the bytes of a variant (`source`), and the state that the
//! host keeps for a guest, with the cause of a failure (`host`). WASI, limits of a module and the
//! form of requests are those of `isolab_core`. A Rust function may be granted arguments and environment
//! variables.
//!
//! A start compiles nothing: `prepare` has done it. Engines make each instance anew, without a
//! pool.

mod engine;
mod executor;
mod host;
mod instance;
mod source;
#[cfg(test)]
mod tests;
#[cfg(feature = "wasm3")]
pub mod wasm3;
#[cfg(feature = "wasmer")]
pub mod wasmer;
#[cfg(feature = "wasmi")]
pub mod wasmi;

use isolab_core::{Setting, guest};

/// The settings of the executors in this crate that know vector instructions.
pub const SETTINGS: &[Setting] = &[guest::STACK, guest::SIMD];
