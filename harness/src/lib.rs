//! The harness of the lab: it plans what is measured, starts a server for each
//! measurement, loads it, reads what it costs and writes it down.
//!
//! ```text
//! cli ► commands::bench ► plan ► measure ─┬─ child   a server with one executor
//!                                         ├─ load    requests to it
//!                                         ├─ probes  what it costs the host
//!                                         └─ run_folder  rows, as they are made
//! ```
//!
//! - [`cli`] and [`commands`]: what a person can ask for; [`exit`] says how it ended.
//! - [`executors`]: the one place that names them all.
//! - [`asked`]: what a run is to measure, from the command line or from a run that was
//!   interrupted.
//! - [`plan`] and [`preset`]: which cells, in which order, what and how
//!   much of each; [`prices`] for the column that is derived.
//! - [`measure`]: a cell's experiments.
//! - [`child`], [`affinity`], [`interrupt`]: processes, where they run, how they end.
//! - [`load`] and [`http1`]: the load generator, and the client for single requests.
//! - [`probes`], [`machine`], [`condition`]: what the kernel says.
//! - [`session`]: one run from its beginning to its end.
//! - [`run`] and [`run_folder`]: what is known of a run, and what it leaves behind.
//! - [`guests`], [`library`]: finding functions and building them; [`caches`] for what
//!   they become.

pub mod affinity;
pub mod asked;
pub mod caches;
pub mod child;
pub mod cli;
pub mod commands;
pub mod condition;
pub mod executors;
pub mod exit;
pub mod guests;
pub mod http1;
pub mod interrupt;
pub mod library;
pub mod load;
pub mod machine;
pub mod measure;
pub mod plan;
pub mod preset;
pub mod prices;
pub mod probes;
pub mod progress;
pub mod run;
pub mod run_folder;
pub mod session;
pub mod utc;
