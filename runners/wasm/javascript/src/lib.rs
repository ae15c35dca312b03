//! A JavaScript engine that the `wasm` executor runs, compiled to Wasm, like a Rust function.
//!
//! [`Engine`] is QuickJS-ng with the web API of `isolab-webapi` and one handler. It runs on any
//! target, and its tests run natively. Compiled to `wasm32-unknown-unknown`, the crate is a
//! core module with these exports:
//!
//! | export | |
//! |---|---|
//! | `wizer-initialize()` | reads a handler's source from standard input and loads it |
//! | `isolab_request(len) -> ptr`, `isolab_handle() -> ptr` | as in every function: `isolab_sdk::wasm` |
//!
//! An embedder has Wizer call the first one. In the resulting module the engine has started
//! and the handler is evaluated.
//!
//! A handler that throws, or whose promise can never settle, has a response that says so, and the
//! engine goes on. A source that cannot be loaded is reported on standard error and ends in a trap.
//!
//! A request that only timers can settle waits for them. The imports are five of WASI preview 1:
//! `fd_read`, only for the source; `fd_write`, standard output for `console` and standard error for
//! that report; `clock_time_get` for `Date` and timers; `poll_oneoff` for timers; `random_get` for
//! `Math.random`.

mod engine;
mod host;
mod random;
mod timers;

#[cfg(target_arch = "wasm32")]
mod allocator;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod wasi;

pub use engine::{Engine, Failure};
pub use host::Platform;
