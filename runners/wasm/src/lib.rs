//! The executor `wasm`: one Wasmtime instance is one sandbox.
//!
//! A fresh instance costs microseconds because of
//!
//! - a pool of memory slots with copy-on-write images of the module's data. A slot keeps its
//!   pages for the next instance: a small memory is overwritten, and of a large one the pages
//!   that the last instance wrote are reset. Each way has an engine of its own ([`engine`]);
//! - imports and exports that are resolved once for each function, so that a start makes only
//!   a store and an instance from the pool (`workshop`, `sandbox`, `exports`);
//! - machine code that is cached on disk (`compiled`);
//! - WASI that costs nothing if it is not used (`wasi`).
//!
//! A function that exports an initialisation (`initialize`) is initialised in `prepare`
//! (`snapshot`), or in each start with `snapshot=off`.
//!
//! A module that imports `poll_oneoff`, WASI's function that waits, runs in another way (`waiting`): on
//! a stack of its own, so that the host can suspend it. While it waits, and after each 5 ms of
//! computation, its thread runs others. Of its stack it holds the pages in memory that it has used. All
//! other modules run *straight*, on the thread's stack. The choice is made in `prepare`, and the
//! artifact's kind shows it.
//!
//! | | straight | waiting |
//! |---|---|---|
//! | modules | import nothing that waits, and `js` otherwise | import `poll_oneoff` or outbound requests: `rust` with `std::thread::sleep` or `isolab_sdk::outbound`, many commands, and `js` if the handler names `setTimeout` or `setInterval` |
//! | stack | the thread's, of which a guest may use 512 KiB | 1 MiB of addresses from a pool; 512 KiB for the guest, the rest for functions of the host |
//! | deadline | the epoch's | the clock, which is asked at each tick of the epoch and bounds each wait |
//! | a dropped invocation | cannot be: it never suspends | ends the guest |
//!
//! A module that exports `isolab_stream` runs in the second way, and its bodies flow (`streaming`, `piped`): a
//! read waits for a piece of the request, and a write for the client.
//!
//! A function of the variant `rust` may be granted hosts, and sends requests to them (`outbound`,
//! `exchanges`).
//!
//! Both use the same machine code and engine. Work in `prepare` always runs straight, and sleeps on its
//! thread.
//!
//! Deadlines are enforced by the engines' epochs, which one thread advances while guests run
//! (`ticker`). The memory limit is enforced by refusing growth (`host`). A function that
//! breaks a rule is an error with its cause (`fault`), and the host goes on.
//!
//! A function of the variant `rust` or `command` may be granted arguments and environment variables
//! (`isolab_core::wasi::Granted`). Its initialisation sees them, too.
//!
//! | variant | module | response |
//! |---|---|---|
//! | `rust` | the function's crate | by the exports of `isolab_sdk::wasm` (`function`) |
//! | `js` | a JavaScript engine, whose initialisation evaluates the handler | the same |
//! | `command` | a foreign module with `_start`, of which each instance runs once | standard output (`command`) |

mod command;
mod compiled;
pub mod engine;
mod exchanges;
mod executor;
mod exports;
mod fault;
mod function;
mod host;
mod initialize;
pub mod javascript;
mod outbound;
mod parts;
mod piped;
mod rules;
mod sandbox;
mod snapshot;
mod streaming;
#[cfg(test)]
mod tests;
mod ticker;
mod waiting;
mod wasi;
mod workshop;

pub use engine::{NAME, SETTINGS};
pub use executor::{Source, Wasm, source};
