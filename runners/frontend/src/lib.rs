//! The front door of the lab: a hyper server in front of the executors.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use isolab_core::{Executor, Library};
//! use isolab_frontend::{Config, Server};
//!
//! # async fn serve(executor: Arc<dyn Executor>, library: Library) -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::bind(Config::default(), vec![executor], library)?;
//! println!("listening on http://{}", server.local_addr());
//! server.run(async { tokio::signal::ctrl_c().await.expect("a handler for SIGINT") }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # A request's way
//!
//! ```text
//! acceptor ──► worker (one thread each; owns connections and instances)
//!                connection ► dispatch ► pool ► lifecycle ► executor
//!                               │ route    │ reuse  │ the clock
//!                               ◄──────────┴────────┴──── response, phases, counts
//! ```
//!
//! An instance never leaves the thread that started it, so between a connection and
//! its instance nothing is locked and nothing is handed over. What workers share is
//! read, or counted with atomics: the prepared functions, the places for instances.
//!
//! - [`Config`] and [`Bounds`]: what can be set.
//! - [`Server`]: binds, accepts, drains.
//! - [`lifecycle`]: the clock. Also for those who need no server: `isolab invoke` and
//!   the benches.
//!
//! # What it answers
//!
//! | | |
//! |---|---|
//! | `ANY /{function}[/rest][?query]` | the function, on the first executor or on that of `X-Isolab-Executor: SPEC` |
//! | `GET /-/healthz`, `/-/functions`, `/-/executors`, `/-/metrics` | liveness, lists as JSON, `OpenMetrics` text |
//! | `GET /-/problems` | every kind of error with its status and meaning |
//! | `GET /-/phases` | with [`Config::control`]: a line of JSON for each phase since the last call |
//! | `PUT /-/instances/{function}` | with [`Config::control`]: `{"live":N,"invocations":K}` brings the idle instances to N |
//!
//! A function's response says in `Server-Timing` what its phases took in
//! milliseconds, exact to the nanosecond (a phase is left out if another request
//! paid for it), in `X-Isolab-Executor` where it ran, and in `X-Isolab-Instance` on
//! which instance and for the how manieth time. Errors are problem details (RFC 9457).

mod admin;
mod config;
mod dispatch;
mod http;
pub mod lifecycle;
mod pool;
mod route;
mod server;
mod shared;
mod telemetry;
mod worker;

pub use config::{Bounds, Config};
pub use server::{BindError, RunError, Server};
