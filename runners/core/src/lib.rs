//! The contract between the code that isolates and the code that measures.
//!
//! An *executor* implements one isolation model. Each phase of its life cycle returns the
//! receiver of the next, so the compiler refuses a wrong order:
//!
//! ```text
//! Executor ──prepare──► Prepared ──start──► Instance ──invoke*──► stop
//!  one per process       one per function    one sandbox, one request or several at a time
//! ```
//!
//! Where to look:
//!
//! - [`executor`]: the three traits, with their parameters and results.
//! - [`spec`]: `wasm:compiler=winch` on the command line, checked and completed.
//! - [`function`]: the lab's functions and a user's own, with their cases and limits.
//! - [`guest`]: building the Wasm module and the native server of a function.
//! - [`message`]: the request and the response that every model is given.
//! - [`http1`]: HTTP/1.1 without I/O, for the way into a container and for the load
//!   generator.
//! - [`streams`]: bodies that flow while the function runs.
//! - [`laps`]: named stretches within a phase. Executors mark them, the front end
//!   reads the clock; an executor never measures itself.
//! - [`error`]: errors by phase and cause.
//! - [`console`]: the log of guests, with a bound.
//! - [`cache`]: artifacts on disk, under the digest of their source and sealed with a key.
//! - [`direct`]: the executor that isolates nothing, the floor to compare with.
//! - [`conformance`]: the suite that every executor must pass.
//! - [`wasi`], [`wire`], [`binary`], [`watchdog`]: what engines that run Wasm share: WASI, requests
//!   and responses in a guest's memory, limits of a module, deadlines.
//!
//! This crate depends on no engine.

pub mod binary;
pub mod cache;
pub mod conformance;
pub mod console;
pub mod direct;
pub mod error;
pub mod executor;
pub mod function;
pub mod guest;
pub mod http1;
pub mod laps;
pub mod message;
pub mod reuse;
pub mod spec;
pub mod streams;
pub mod wasi;
pub mod watchdog;
pub mod wire;

pub use cache::Cache;
pub use error::{Cause, Error, Phase};
pub use executor::{Artifact, Environment, Executor, Instance, Memory, Outside, Prepared};
pub use function::{Case, Function, Library, Limits, Variant};
pub use laps::Laps;
pub use message::{Request, Response};
pub use reuse::Reuse;
pub use spec::{Setting, Spec};
pub use streams::Streams;
