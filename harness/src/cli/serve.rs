//! `isolab serve`: the front end with one or more executors.

use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::function::Host;
use isolab_core::{Cause, Environment, Executor, Reuse, Spec, Variant};
use isolab_frontend::{Bounds, Config, Server};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::values::{self, LimitArgs, SpecList};
use super::watch;
use crate::executors;
use crate::exit::{DONE, INTERRUPTED, Interrupted};
use crate::host::affinity;
use crate::server::child::LISTENING;

/// More than any machine holds.
pub(super) const INSTANCES_MAX: usize = 10_000_000;

/// `isolab serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isolab serve --executor wasm,v8 --functions ./mine --watch
  curl -H 'X-Isolab-Executor: v8' 'http://127.0.0.1:8080/hello?myName=Ada'
  curl -i -H 'X-Isolab-Bill: 1' 'http://127.0.0.1:8080/hello?myName=Ada'

`GET /{function}` calls a function; `GET /-/functions` and `GET /-/executors` list what is served.

SIGTERM and SIGINT end the server after the requests that it has begun, or after 10 seconds.
A second signal gives these requests up. Then the server stops all instances and removes
everything that it made outside of its process. A third signal ends the process at once.

A function that computes for long runs on a thread without connections, so that other requests do
not wait for it. A function that cannot be interrupted after its deadline costs that thread:
its request gets 504, and /-/metrics counts the thread as lost.

Exit codes: 0 done, 1 failed, 2 bad input, 130 ended by a third signal; 3 a function did not
let go of its thread: the last line on stderr names its executor and instance.")]
pub struct ServeArgs {
    /// Executors; the first answers requests that name none [default: all that this machine can run]
    #[arg(long, value_name = "SPEC")]
    pub executor: Vec<SpecList>,
    /// Variant of all functions: rust, js, module, command [default: the first that the executor can run]
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<Variant>,
    /// When to use an instance again: `fresh`, `warm`, `reuse:N`
    #[arg(long, value_name = "POLICY", default_value = "warm")]
    pub reuse: Reuse,
    /// Address to listen on; with port 0 the system chooses the port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// More functions: a folder with handler.js or a crate, a file `NAME.js`, a WASI command `NAME.wasm`, or a folder of such
    #[arg(long, value_name = "PATH")]
    pub functions: Vec<PathBuf>,
    /// Take up functions that change, appear or go while the server runs
    #[arg(long, conflicts_with = "control")]
    pub watch: bool,
    /// Threads that serve connections and run functions that answer quickly [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
    /// Most threads for functions that hold a thread for long; 0 for none, so that such a function holds up its worker's other connections [default: four for each processor; 0 with --control]
    #[arg(long, value_name = "N", value_parser = values::compute_threads)]
    pub compute_threads: Option<usize>,
    /// Limits of functions that set none of their own.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Most live instances of each executor, over all functions. `wasm` reserves addresses for all of them [default: 1000]
    #[arg(long, value_name = "N", value_parser = instances)]
    pub instances: Option<usize>,
    /// Send the bill of one answer in N, or in 20: CPU time, page faults and peak memory, in the header X-Isolab-Bill
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "20")]
    pub bill: Option<NonZeroU32>,
    /// Send the requests of functions to a granted host, such as `origin:80`, to this address
    #[arg(long, value_name = "HOST:PORT=ADDR", value_parser = values::connect_to)]
    pub connect_to: Vec<(Host, SocketAddr)>,
    /// Serve the pages that experiments need, too
    #[arg(long)]
    pub control: bool,
    /// Folder for artifacts [default: target/isolab-cache]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Labels what this server makes outside of its process
    #[arg(long, hide = true)]
    pub run_id: Option<String>,
    /// Keep the server on these processors
    #[arg(long, value_name = "N", hide = true)]
    pub cpu: Vec<usize>,
    /// Keep instances outside of the server's process on one processor
    #[arg(long, value_name = "N", hide = true)]
    pub guest_cpu: Option<usize>,
    /// End when this process, the parent, ends
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<u32>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port; write it as `127.0.0.1:8080`"))
}

fn instances(text: &str) -> Result<usize, String> {
    let instances = text.parse().ok().filter(|instances| (1..=INSTANCES_MAX).contains(instances));
    instances.ok_or_else(|| format!("`{text}` is not a number of instances from 1 to {INSTANCES_MAX}"))
}

/// Serves until SIGTERM or SIGINT. Does not wait for the threads of functions that do not
/// end: they end with the process.
pub fn run(arguments: ServeArgs) -> Result<u8> {
    if let Some(parent) = arguments.parent {
        end_with(parent)?;
    }
    if !arguments.cpu.is_empty() {
        affinity::pin_to(&arguments.cpu)?;
    }
    super::log_to_stderr();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))?;
    Ok(DONE)
}

async fn serve(arguments: ServeArgs) -> Result<()> {
    // First of all: a signal during a slow start must not end the process half-way.
    let (shutdown, hurry) = signals()?;
    let config = config(&arguments);
    let source = watch::Served { paths: arguments.functions, limits: arguments.limits.limits() };
    let library = source.read()?;
    let environment = Environment {
        cache: super::cache(arguments.cache),
        run_id: arguments.run_id.unwrap_or_else(super::run_id),
        max_instances: config.bounds.instances,
        guest_cpu: arguments.guest_cpu,
        hosts: arguments.connect_to.into_iter().collect(),
    };
    let specs: Vec<_> = arguments.executor.into_iter().flat_map(|list| list.0).collect();
    executors::all_differ(&specs)?;
    let executors = if specs.is_empty() {
        let specs = executors::by_default();
        executors::prepare_process(&specs);
        open_available(specs, &environment).await?
    } else {
        executors::prepare_process(&specs);
        open_all(specs, &environment).await?
    };
    let watcher = arguments.watch.then(|| watch::Watcher::begin(source, &library)).transpose()?;
    let server = Server::bind(config, executors, library)?;
    println!("{LISTENING}{}", server.local_addr());
    std::io::stdout().flush()?;
    let updater = server.updater();
    let changes = async {
        match watcher {
            Some(watcher) => watcher.take_up_changes(updater).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = server.run(shutdown, hurry) => Ok(ended?),
        never = changes => match never {},
    }
}

fn config(arguments: &ServeArgs) -> Config {
    let mut default = Config::default();
    if arguments.parent.is_some() {
        // The lab measures this server: a function alone, on the threads that it was given.
        default.compute_threads = 0;
    }
    default.bounds.instances = arguments.instances.unwrap_or(default.bounds.instances);
    let bounds = if arguments.control {
        // An experiment itself decides how many requests there are at once.
        Bounds { connections: 16_384, queue: 16_384, ..default.bounds }
    } else {
        default.bounds
    };
    Config {
        listen: arguments.listen,
        variant: arguments.variant,
        reuse: arguments.reuse,
        workers: arguments.workers.unwrap_or(default.workers),
        compute_threads: arguments.compute_threads.unwrap_or(default.compute_threads),
        bill_every: arguments.bill,
        control: arguments.control,
        bounds,
    }
}

async fn open_all(specs: Vec<Spec>, environment: &Environment) -> Result<Vec<Arc<dyn Executor>>> {
    let mut opened = Vec::with_capacity(specs.len());
    for spec in specs {
        opened.push(executors::open(spec, environment).await?);
    }
    Ok(opened)
}

/// Opens the executors that can run here, and prints why the others cannot.
async fn open_available(specs: Vec<Spec>, environment: &Environment) -> Result<Vec<Arc<dyn Executor>>> {
    let mut opened = Vec::with_capacity(specs.len());
    for spec in specs {
        match executors::open(spec, environment).await {
            Ok(executor) => opened.push(executor),
            Err(error) if matches!(error.cause, Cause::Unavailable(_)) => eprintln!("not served: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(opened)
}

/// Two futures that complete at the first and at the second SIGTERM or SIGINT. The third
/// ends the process.
fn signals() -> Result<(impl Future<Output = ()>, impl Future<Output = ()>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, is_first) = oneshot::channel();
    let (second, is_second) = oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        next().await;
        // The receivers are gone if the server has ended by itself.
        let _ = first.send(());
        next().await;
        let _ = second.send(());
        next().await;
        std::process::exit(INTERRUPTED.into());
    });
    // The task lives as long as the runtime, so neither sender is dropped.
    let completed = async |receiver: oneshot::Receiver<()>| drop(receiver.await);
    Ok((completed(is_first), completed(is_second)))
}

/// Makes the kernel kill this process when its parent ends, in whatever way.
fn end_with(parent: u32) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to its parent")?;
    // The parent may have ended before the line above.
    if getppid().as_raw().cast_unsigned() == parent { Ok(()) } else { Err(Interrupted.into()) }
}
