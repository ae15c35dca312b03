//! The executor `wasm`: one Wasmtime instance is one sandbox.
//!
//! What makes a fresh instance cost microseconds:
//!
//! - a pool of memory slots with copy-on-write images of the module's data, where a
//!   slot that is used again keeps its pages: of a large memory those are reset that
//!   the last instance wrote, a small one is overwritten, each by an engine of its own
//!   ([`engine`]);
//! - imports resolved and exports checked once a function, so that starting is a store
//!   and an instantiation from the pool (`sandbox`, `exports`);
//! - machine code kept on disk by content and engine settings (`compiled`);
//! - WASI that costs nothing where it is not used (`wasi`).
//!
//! A deadline is enforced by the engines' epochs, which one thread advances while
//! guests run (`ticker`); the memory limit by refusing to grow. A function that
//! breaks a rule is an error with its cause (`fault`); the host goes on.
//!
//! | variant | module | answers by |
//! |---|---|---|
//! | `rust` | the function's crate | the exports of `isolab_sdk::wasm` (`function`) |
//! | `js` | a JavaScript engine, with the handler evaluated before its memory was written into the module (`snapshot`) | the same |
//! | `command` | a foreign module with `_start`, one run an instance | its standard output (`command`) |

mod command;
mod compiled;
pub mod engine;
mod executor;
mod exports;
mod fault;
mod function;
mod host;
pub mod javascript;
mod sandbox;
mod snapshot;
mod source;
#[cfg(test)]
mod tests;
mod ticker;
mod wasi;

pub use engine::{NAME, SETTINGS};
pub use executor::Wasm;
