//! The lab's front end: a hyper server in front of the executors.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use isolab_core::{Executor, Library};
//! use isolab_frontend::{Config, Server};
//!
//! # async fn serve(executor: Arc<dyn Executor>, library: Library) -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::bind(Config::default(), vec![executor], library)?;
//! println!("listening on http://{}", server.local_addr());
//! let shutdown = async { tokio::signal::ctrl_c().await.expect("a handler for SIGINT") };
//! server.run(shutdown, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The path of a request
//!
//! ```text
//! acceptor ──► worker (one thread each; owns connections and instances)
//!                connection ► dispatch ► pool ► lifecycle ► executor
//!                               │ route    │ reuse  │ the clock
//!                               ◄──────────┴────────┴──── response, phases, counts
//! ```
//!
//! An instance never leaves the thread that started it. So between a connection and its
//! instance there is no lock and no hand-over. Workers share only what is read, such as
//! the prepared functions, or counted with atomics, such as the places for instances.
//!
//! - [`Config`] and [`Bounds`]: the settings.
//! - [`Server`]: binds, accepts, drains. [`RunError`] says how it ended.
//! - [`lifecycle`]: the clock; also for `isolab invoke`, which needs no server.
//! - [`admin::api`]: what the server's own pages take and answer, for clients.
//!
//! Inside, every module uses only modules to its left:
//!
//! ```text
//! config, lifecycle, route ◄ telemetry ◄ inbox ◄ pool ◄ state, http ◄ admin ◄ dispatch ◄ worker ◄ shutdown ◄ server
//! ```
//!
//! # The answers of the server
//!
//! | | |
//! |---|---|
//! | `ANY /{function}[/rest][?query]` | the function, on the first executor or on that of `X-Isolab-Executor: SPEC` |
//! | `GET /-/healthz`, `/-/functions`, `/-/executors`, `/-/metrics` | liveness, lists as JSON, `OpenMetrics` text |
//! | `GET /-/problems` | every kind of error with its status and meaning |
//! | `GET /-/phases` | with [`Config::control`]: one line of JSON for each phase since the last call |
//! | `PUT /-/instances/{function}` | with [`Config::control`]: `{"live":N,"invocations":K}` brings the number of idle instances to N |
//!
//! A function's response has three more headers. `Server-Timing` says how long each phase
//! took, in milliseconds, exact to the nanosecond; a phase is left out if an earlier
//! request paid for it. `X-Isolab-Executor` is the executor's spec. `X-Isolab-Instance`
//! says which instance answered, and how often it has been used. Errors are problem
//! details (RFC 9457).

pub mod admin;
mod config;
mod dispatch;
mod http;
mod inbox;
pub mod lifecycle;
mod pool;
mod route;
mod server;
mod shutdown;
mod state;
mod telemetry;
mod worker;

pub use config::{Bounds, Config};
pub use server::{BindError, Server};
pub use shutdown::{Guest, RunError, StuckWorker};
