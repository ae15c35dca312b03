//! Binding, accepting, draining.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use http::HeaderValue;
use isolab_core::{Error, Executor, Library};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::MissedTickBehavior;

use crate::config::Config;
use crate::http::connection::{Connections, Ticket};
use crate::pool::capacity::Capacity;
use crate::pool::prepare::Preparation;
use crate::route::{Routes, Served};
use crate::shared::{Reach, Shared};
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::record::Recorder;
use crate::worker::{self, Message};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1_024;

/// How long the acceptor rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Why a server cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A setting that cannot be.
    #[error("bad server settings: {0}")]
    Config(String),
    /// Nothing to serve with.
    #[error("no executor was given: a server needs at least one")]
    NoExecutor,
    /// An executor that no request could choose.
    #[error("executor `{0}` was given twice")]
    Duplicate(String),
}

/// Why a server did not run or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The listener or a worker could not be set up.
    #[error("the server could not be started: {0}")]
    Start(#[from] std::io::Error),
    /// A worker's thread panicked.
    #[error("a worker of the server panicked; the log has its message")]
    Panic,
    /// Executors that could not remove what they keep outside of the process.
    #[error("not everything was cleaned up: {}", list(.0))]
    Close(Vec<Error>),
}

fn list(errors: &[Error]) -> String {
    errors.iter().map(Error::to_string).collect::<Vec<_>>().join("; ")
}

/// A server that listens. It answers once [`Server::run`] is polled; until then the
/// kernel keeps connections waiting.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    inboxes: Vec<UnboundedReceiver<Message>>,
}

impl Server {
    /// Listens, without answering yet. Needs no runtime.
    pub fn bind(
        mut config: Config,
        executors: Vec<Arc<dyn Executor>>,
        library: Library,
    ) -> Result<Self, BindError> {
        config.check().map_err(BindError::Config)?;
        if config.control {
            config.workers = 1;
        }
        let executors = serve(executors)?;
        let address = config.listen;
        let failed = |source| BindError::Listen { address, source };
        let listener = listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let bounds = config.bounds.clone();
        let capacities = executors.iter().map(|_| Capacity::new(bounds.instances, bounds.queue)).collect();
        let routes = Routes::new(executors, library, config.variant);
        let preparations = (0..routes.len()).map(|_| Preparation::new(bounds.queue)).collect();
        let (workers, inboxes) = (0..config.workers).map(|_| reach(routes.len())).unzip();
        let recorder = config.control.then(Recorder::begin);
        let shared = Arc::new(Shared { config, routes, preparations, capacities, workers, recorder });
        Ok(Self { listener, address, shared, inboxes })
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then ends in order: accepts no more, lets requests in
    /// flight finish, stops all instances, closes the executors. Needs a Tokio runtime
    /// with I/O and time, where it only accepts; the workers have threads of their own.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self { listener, shared, inboxes, .. } = self;
        let listener = TcpListener::from_std(listener)?;
        let crew = Crew::start(&shared, inboxes).await?;
        tokio::select! {
            never = accept(&listener, &shared) => match never {},
            never = sweep(&shared) => match never {},
            () = shutdown => {}
        }
        drop(listener);
        crew.join().await?;

        let mut errors = Vec::new();
        for served in &shared.routes.executors {
            errors.extend(served.executor.close().await.err());
        }
        if errors.is_empty() { Ok(()) } else { Err(RunError::Close(errors)) }
    }
}

fn serve(executors: Vec<Arc<dyn Executor>>) -> Result<Vec<Arc<Served>>, BindError> {
    let mut specs = HashSet::new();
    let mut served = Vec::with_capacity(executors.len());
    for executor in executors {
        let spec = executor.spec().to_string();
        if !specs.insert(spec.clone()) {
            return Err(BindError::Duplicate(spec));
        }
        let header = HeaderValue::from_str(&spec)
            .map_err(|_| BindError::Config(format!("spec `{spec}` cannot stand in a header")))?;
        served.push(Arc::new(Served { executor, spec, header }));
    }
    if served.is_empty() { Err(BindError::NoExecutor) } else { Ok(served) }
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for the connections of the one before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn reach(cells: usize) -> (Reach, UnboundedReceiver<Message>) {
    let (inbox, receiver) = unbounded_channel();
    (Reach { inbox, metrics: Arc::new(WorkerMetrics::new(cells)) }, receiver)
}

/// Gives every connection to the worker that has the fewest.
async fn accept(listener: &TcpListener, shared: &Shared) -> Infallible {
    let places = Arc::new(Semaphore::new(shared.config.bounds.connections));
    loop {
        let permit = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        // Responses are written whole; waiting to fill a segment would only delay them.
        let accepted = listener.accept().await.and_then(|(stream, _)| {
            stream.set_nodelay(true)?;
            stream.into_std()
        });
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // Of the client's making, or passing: the listener itself stays good.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let open = |reach: &&Reach| reach.metrics.open.load(Ordering::Relaxed);
        let worker = shared.workers.iter().min_by_key(open).expect("there is at least one worker");
        let ticket = Ticket::new(permit, &worker.metrics);
        if worker.inbox.send(Message::Serve(stream, ticket)).is_err() {
            tracing::error!("a worker is gone; its connection was closed");
        }
    }
}

/// Has the workers look for quiet connections.
async fn sweep(shared: &Shared) -> Infallible {
    let mut tick = tokio::time::interval(shared.config.bounds.idle / Connections::TICKS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for worker in &shared.workers {
            // A worker that is gone has no connections.
            let _ = worker.inbox.send(Message::Sweep);
        }
    }
}

/// The workers' threads. Dropping it has them drain, too, but waits for nothing.
struct Crew {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Returns when every worker can serve.
    async fn start(shared: &Arc<Shared>, inboxes: Vec<UnboundedReceiver<Message>>) -> Result<Self, RunError> {
        let mut crew = Self { shared: Arc::clone(shared), threads: Vec::new() };
        for (index, inbox) in inboxes.into_iter().enumerate() {
            let (ready, is_ready) = oneshot::channel();
            let shared = Arc::clone(shared);
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            crew.threads.push(thread.spawn(move || worker::run(&shared, index, inbox, ready))?);
            is_ready.await.map_err(|_| RunError::Panic)??;
        }
        Ok(crew)
    }

    fn drain(&self) {
        for worker in &self.shared.workers {
            // A worker that panicked is gone; joining it tells.
            let _ = worker.inbox.send(Message::Drain);
        }
    }

    async fn join(mut self) -> Result<(), RunError> {
        self.drain();
        let threads = std::mem::take(&mut self.threads);
        let join = move || threads.into_iter().map(JoinHandle::join).fold(Ok(()), Result::and);
        let joined = tokio::task::spawn_blocking(join).await;
        joined.map_err(|_| RunError::Panic)?.map_err(|_| RunError::Panic)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.drain();
    }
}
