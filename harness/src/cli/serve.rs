//! `isolab serve`: the front end with one or more executors.

use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::{Cause, Environment, Executor, Spec};
use isolab_frontend::{Bounds, Config, Server};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{BadInput, DONE, Interrupted};
use crate::host::affinity;
use crate::server::child::LISTENING;
use crate::{executors, library};

/// `isolab serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Executors; the first answers where a request names none [default: all that this machine can run]
    #[arg(long, value_name = "SPEC")]
    pub executor: Vec<String>,
    /// The variant of all functions [default: the first that the executor can run]
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// When an instance is used again: `fresh`, `warm`, `reuse:N`
    #[arg(long, value_name = "POLICY", default_value = "warm")]
    pub reuse: String,
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// More functions: a folder of them and of WASI commands `{name}.wasm`, or one of either
    #[arg(long, value_name = "DIR")]
    pub functions: Vec<PathBuf>,
    /// Threads that serve connections and run functions [default: one a processor]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Add the pages that experiments need, with one worker
    #[arg(long)]
    pub control: bool,
    /// Where artifacts are kept
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Marks what this server makes outside of its process
    #[arg(long, hide = true)]
    pub run_id: Option<String>,
    /// Keep the server on one processor
    #[arg(long, value_name = "N", hide = true)]
    pub cpu: Option<usize>,
    /// End when this process, the parent, ends
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<u32>,
}

/// Serves until SIGTERM or SIGINT.
pub fn run(arguments: &ServeArgs) -> Result<u8> {
    if let Some(parent) = arguments.parent {
        end_with(parent)?;
    }
    if let Some(cpu) = arguments.cpu {
        affinity::pin(cpu)?;
    }
    super::log_to_stderr();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))?;
    Ok(DONE)
}

async fn serve(arguments: &ServeArgs) -> Result<()> {
    // Taken first: a signal during a slow start must not end the process half-way.
    let shutdown = shutdown()?;
    let config = config(arguments)?;
    let library = library::open(&arguments.functions)?;
    let environment = Environment {
        cache: super::cache(arguments.cache.as_ref()),
        run_id: arguments.run_id.clone().unwrap_or_else(super::run_id),
        max_instances: config.bounds.instances,
    };
    let specs = executors::specs(&arguments.executor)?;
    let executors = if specs.is_empty() {
        let specs = executors::compiled_in();
        executors::settle(&specs);
        open_available(specs, &environment).await?
    } else {
        executors::settle(&specs);
        open_all(specs, &environment).await?
    };
    let server = Server::bind(config, executors, library)?;
    println!("{LISTENING}{}", server.local_addr());
    std::io::stdout().flush()?;
    server.run(shutdown, std::future::pending()).await?;
    Ok(())
}

fn config(arguments: &ServeArgs) -> Result<Config> {
    let mut config =
        Config { listen: arguments.listen, reuse: arguments.reuse.parse()?, ..Config::default() };
    config.variant = arguments.variant.as_deref().map(super::variant).transpose()?;
    if let Some(workers) = arguments.workers {
        if workers == 0 {
            return Err(BadInput::because("--workers must be at least 1"));
        }
        config.workers = workers;
    }
    config.control = arguments.control;
    if arguments.control {
        // An experiment counts by itself how much there is at once.
        config.bounds = Bounds { connections: 16_384, queue: 16_384, ..config.bounds };
    }
    Ok(config)
}

async fn open_all(specs: Vec<Spec>, environment: &Environment) -> Result<Vec<Arc<dyn Executor>>> {
    let mut opened = Vec::with_capacity(specs.len());
    for spec in specs {
        opened.push(executors::open(spec, environment).await?);
    }
    Ok(opened)
}

/// Opens what can run here, and says of the rest why it cannot.
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

/// Completes at SIGTERM or SIGINT.
fn shutdown() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    })
}

/// Has the kernel kill this process when its parent ends, however that ends.
fn end_with(parent: u32) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("this process cannot be tied to its parent")?;
    // The parent may have ended before the line above.
    if getppid().as_raw().cast_unsigned() == parent { Ok(()) } else { Err(Interrupted.into()) }
}
