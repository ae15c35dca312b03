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
//!
//! # The memory of a request that waits
//!
//! An instance has one request at a time, so each request that waits has an instance. The function `wait` then
//! takes some 340 KiB: 280 KiB of linear memory, 12 KiB of stack, and about 50 KiB of the host. (The variant `rust` takes
//! 47 KiB, 4 KiB of them linear memory.) The linear memory is 70 pages that the instance has copied, out of 160 of the
//! image. Only 2,354 words in them differ from the image, 9 KiB: in 33 of the pages, two words at most.
//! `QuickJS` counts the references to an object in the object itself, so a request writes wherever it meets
//! one, and objects cannot be moved together. Filling the heap's gaps before the snapshot, so that new
//! objects lie together, left 58 pages and made the image four times as large. Less than 96 KiB takes
//! several requests in one instance, and so exports that return while a request waits.

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
