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
//!                               │ slow routes
//!                               └──► compute thread: pool ► lifecycle ► executor
//! ```
//!
//! A function that [can stream](isolab_core::Prepared::streams) has a way of its own from dispatch to
//! lifecycle: its body is passed on as it arrives, and its answer may begin before it is whole.
//!
//! An instance never leaves the thread that started it. So between a connection and an
//! instance of a quick route, a request crosses no lock and no queue. Threads share only what is read,
//! such as the prepared functions, or counted with atomics, such as the places for instances.
//!
//! A route that holds its thread for more than a millisecond at one time is slow: its requests run
//! on compute threads, and the connections of the worker do not wait for them. A new route is slow
//! until its first invocations were quick. [`Config::compute_threads`] is the number of these threads.
//! The thread that accepts connections also watches the others. It replaces one that a function holds
//! although its deadline has passed.
//!
//! - [`Config`] and [`Bounds`]: the settings.
//! - [`Server`]: binds, accepts, drains. [`RunError`] says how it ended.
//! - [`Updater`]: takes up functions that have changed while the server runs.
//! - [`lifecycle`]: the clock; also for `isolab invoke`, which needs no server.
//! - [`admin::api`]: what the server's own pages take and answer, for clients.
//!
//! Inside, every module uses only modules to its left:
//!
//! ```text
//! config, text, pace, processor, by_route ◄ bill ◄ lifecycle, route ◄ answer, telemetry ◄ registry ◄ pool ◄ state, http, exchange ◄
//! admin, compute, mount, updater ◄ streaming ◄ dispatch ◄ worker ◄ threads, overdue ◄ supervisor, shutdown ◄ server
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
//! request paid for it. `wait` is the waiting part of `invoke`, if there was any. `X-Isolab-Executor` is the executor's spec. `X-Isolab-Instance`
//! says which instance answered, and how often it has been used. Errors are problem
//! details (RFC 9457).
//!
//! # The bill
//!
//! A request with the header `X-Isolab-Bill: 1` gets the bill of its invocation in a header of
//! the same name, also with an error after an invocation. With [`Config::bill_every`] the server
//! bills one of this many answers by itself. No function sees the request's header or can write the response's. The
//! value is a dictionary of structured fields (RFC 9651):
//!
//! | key | |
//! |---|---|
//! | `wall_ns` | the time of `invoke` |
//! | `waiting_ns` | the part of that in which no code of the invocation ran on the server's thread: it waited for a timer, another process or host, or for its turn |
//! | `cpu_ns` | CPU time of the server's thread in `invoke`, and in `start` if the instance was started for this request |
//! | `minor_faults`, `major_faults` | page faults of that thread in the same phases |
//! | `peak_memory_bytes` | the most memory that the sandboxed code held at one time during `invoke` |
//! | `instance_peak_memory_bytes` | the same since the instance was created, where the kernel cannot begin a new peak |
//! | `peak_memory_unknown` | the reason why the peak is not known |
//! | `outside_cpu_ns`, `outside_minor_faults`, `outside_major_faults` | usage of the instance's control group, such as a container's |
//! | `outside_answers` | the number of answers that the `outside_` keys cover |
//! | `outside_unread_answers` | the number of answers whose usage outside a later bill will show |
//! | `outside_unknown` | the reason why the control group was not read |
//!
//! Only polls of the invocation count, so a bill contains nothing of other connections on the
//! same thread. It does not contain the front end's own work, other threads of an engine (V8
//! collects and compiles on some; deadlines have one, which takes a percent or two on a busy machine), and the daemon and shim
//! of a container. The first bill of a container contains its start, as far as its control group
//! counts it. `stop` comes after the answer: with [`Config::bill_every`], `/-/metrics` has that of
//! billed instances in the sums. These are
//! `isolab_billed_answers_total`, `isolab_billed_cpu_seconds_total` and
//! `isolab_billed_page_faults_total`; the label `place` is a phase, or `outside`. An invocation
//! whose client leaves has no bill and is not in the sums. If only one of N answers is billed, a sum
//! over phases is that of these answers, and a sum over control groups is that of all answers.
//!
//! A bill takes some half a microsecond, most of it for its header: for `hello` on the fastest
//! executors this is several percent of an answer. One bill in 20 takes a twentieth of that.
//!
//! With [`Config::bill_every`] a thread reads control groups for at most a two-hundredth of its time; the
//! bills in between have `outside_unread_answers`. A model's peak may then be 100 µs old. The CPU
//! clock is the kernel's at least every 100 µs; in between it runs with the wall clock, unless
//! the thread has lost its processor.

pub mod admin;
mod answer;
mod backoff;
mod bill;
mod by_route;
mod compute;
mod config;
mod dispatch;
mod exchange;
mod http;
pub mod lifecycle;
mod mount;
mod overdue;
mod pace;
mod pool;
mod processor;
mod queue;
mod registry;
mod route;
mod run_error;
mod server;
mod shutdown;
mod state;
mod streaming;
mod supervisor;
mod telemetry;
mod text;
mod threads;
mod updater;
mod worker;

pub use config::{Bounds, Config};
pub use run_error::{Guest, RunError, StuckWorker};
pub use server::{BindError, Server};
pub use updater::Updater;
