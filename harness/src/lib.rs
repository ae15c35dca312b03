//! The harness of the lab: it plans what is measured, starts a server for each
//! measurement, loads it, reads what it costs and writes it down.
//!
//! ```text
//! cli ► session ► measure ─┬─ server  a child with one executor
//!          │               ├─ load    requests to it
//!          │               ├─ host    what it costs
//!          └─ run ─────────┴─ rows, as they are made
//! ```
//!
//! - [`cli`]: one module for each command; [`exit`] says how it ended.
//! - [`session`]: one run from its beginning to its end.
//! - [`run`]: what a run is asked for, its plan, and what it leaves behind.
//! - [`measure`]: one module for each experiment.
//! - [`compare`]: two sides, measured together.
//! - [`server`]: the process that is measured; [`interrupt`]: how it ends with the run.
//! - [`load`] and [`http1`]: the load generator, and the client for single requests.
//! - [`host`]: the machine, and what the kernel counts.
//! - [`executors`]: the one place that names them all.
//! - [`library`], [`guests`]: finding functions and building them.

pub mod cli;
pub mod compare;
pub mod executors;
pub mod exit;
pub mod guests;
pub mod host;
pub mod http1;
pub mod interrupt;
pub mod library;
pub mod load;
pub mod measure;
pub mod run;
pub mod server;
pub mod session;
