//! Binding, accepting, and the order in which a server ends.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use isolab_core::{Executor, Library};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;

use crate::bill::meter;
use crate::by_route::ByRoute;
use crate::config::Config;
use crate::http::connection::Connections;
use crate::pool;
use crate::pool::capacity::Capacity;
use crate::pool::computing::Computing;
use crate::pool::inbox::{Message, Role, ThreadHandle};
use crate::registry::Admission;
use crate::route::{Making, Routes, Served};
use crate::run_error::RunError;
use crate::shutdown;
use crate::state::ServerState;
use crate::supervisor;
use crate::telemetry::record::Recorder;
use crate::threads::Threads;
use crate::updater::Updater;

/// Connections that the kernel keeps until they are accepted, or `net.core.somaxconn` if that is less. Of a burst beyond
/// this, the kernel resets some connections, and no server can say why.
const BACKLOG: i32 = 16_384;

/// Threads that guests may hold for ever before a lost one is not replaced any more.
const LOST_THREADS: usize = 16;

/// The same on a server without compute threads, where a route is refused once it has cost a worker.
const LOST_WORKERS: usize = 4;

/// How long the acceptor waits after an error, such as a lack of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Why a server cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The server cannot listen at the address.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// A setting has a value that it cannot have.
    #[error("bad server settings: {0}")]
    Config(String),
    /// There is no executor.
    #[error("no executor was given: a server needs at least one")]
    NoExecutor,
    /// Two executors have the same spec, so no request could choose the second.
    #[error("executor `{0}` was given twice")]
    Duplicate(String),
}

/// A server that listens. It answers while [`Server::run`] is polled; until then the
/// kernel keeps connections waiting.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    state: Arc<ServerState>,
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
            config.compute_threads = 0;
        }
        let executors = served(executors)?;
        let address = config.listen;
        let failed = |source| BindError::Listen { address, source };
        let listener = listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let bounds = &config.bounds;
        let capacities = executors.iter().map(|_| Capacity::new(bounds.instances, bounds.queue)).collect();
        let making = Making {
            variant: config.variant,
            has_compute_threads: config.compute_threads > 0,
            queue: bounds.queue,
        };
        let routes = Routes::new(executors, library, making);
        let (threads, inboxes) = (0..seats(&config)).map(|_| ThreadHandle::vacant()).unzip();
        let pools = pool::Shared {
            reuse: config.reuse,
            bill: config.bill_every.is_some(),
            queue_wait: bounds.queue_wait,
            preparations: ByRoute::default(),
            queue: bounds.queue,
            capacities,
            computing: Computing::new(config.compute_threads, bounds.queue),
            threads,
            recorder: config.control.then(Recorder::begin),
        };
        let state = Arc::new(ServerState::new(config, routes, pools));
        Ok(Self { listener, address, state, inboxes })
    }

    /// Where the server listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes up functions that change while the server runs.
    pub fn updater(&self) -> Updater {
        Updater::new(&self.state)
    }

    /// Serves until `shutdown`, and then ends in this order:
    ///
    /// 1. It accepts no more connections and closes those without a request in work.
    /// 2. Requests in flight finish, for [`Bounds::drain`](crate::Bounds::drain) at most,
    ///    or until `hurry`: then they are given up.
    /// 3. All instances are stopped, and then all executors are closed, for
    ///    [`Bounds::cleanup`](crate::Bounds::cleanup) at most in each case.
    ///
    /// A guest that does not let go of its thread delays this by a second at
    /// most: the executors are closed, and [`RunError::Stuck`] names the guest. Its
    /// thread goes on; only the end of the process ends it.
    ///
    /// Needs a Tokio runtime with I/O and time. The runtime only accepts connections and watches
    /// the other threads; workers and compute threads have runtimes of their own.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let Self { listener, state, inboxes, .. } = self;
        if let Some(error) = meter::refused().filter(|_| state.config.bill_every.is_some()) {
            tracing::warn!(
                "a bill costs about a microsecond more here: the kernel refuses to watch threads \
                 (perf_event_open: {error})"
            );
        }
        let listener = TcpListener::from_std(listener)?;
        let threads = Threads::new(&state, inboxes);
        for _ in 0..state.config.workers {
            threads.start(Role::Worker).await?;
        }
        let mut supervised = pin!(supervisor::supervise(&threads));
        tokio::select! {
            never = accept(&listener, &state) => match never {},
            never = sweep(&state) => match never {},
            never = &mut supervised => match never {},
            () = shutdown => {}
        }
        drop(listener);
        let ended = tokio::select! {
            never = supervised => match never {},
            ended = shutdown::end(&threads, hurry) => ended,
        };
        let unclosed = shutdown::close(&state).await;
        ended.outcome(unclosed)
    }
}

fn served(executors: Vec<Arc<dyn Executor>>) -> Result<Vec<Arc<Served>>, BindError> {
    let mut specs = HashSet::new();
    let mut served = Vec::with_capacity(executors.len());
    for executor in executors {
        let spec = executor.spec().to_string();
        if !specs.insert(spec.clone()) {
            return Err(BindError::Duplicate(spec));
        }
        let header = HeaderValue::from_str(&spec)
            .map_err(|_| BindError::Config(format!("the spec `{spec}` cannot be the value of a header")))?;
        served.push(Arc::new(Served { executor, spec, header }));
    }
    if served.is_empty() { Err(BindError::NoExecutor) } else { Ok(served) }
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for the connections of the previous one.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The most threads that may ever run: each worker may be replaced once while a guest holds it up,
/// and some threads may be lost.
fn seats(config: &Config) -> usize {
    let lost = if config.compute_threads > 0 { LOST_THREADS } else { LOST_WORKERS };
    config.workers * 2 + config.compute_threads + lost
}

/// Gives every connection to the worker with the fewest connections.
async fn accept(listener: &TcpListener, state: &ServerState) -> Infallible {
    let places = Arc::new(Semaphore::new(state.config.bounds.connections));
    loop {
        let permit = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        // Responses are written whole; Nagle's algorithm would only delay them.
        let accepted = listener.accept().await.and_then(|(stream, _)| {
            stream.set_nodelay(true)?;
            stream.into_std()
        });
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // The client has left, or a resource is short. The listener stays good.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        // If guests hold up all workers, one of them is the first to go on.
        let any = || state.pools.in_role(Role::Worker).next().map(|(_, worker)| worker);
        let Some(worker) = state.free_worker().or_else(any) else {
            tracing::error!("a connection was closed: functions hold all workers for ever");
            continue;
        };
        let admission = Admission::new(permit, &worker.metrics);
        if worker.inbox.send(Message::Serve(stream, admission)).is_err() {
            tracing::error!("a worker has ended; its connection was closed");
        }
    }
}

/// Has the workers look for quiet connections at intervals.
async fn sweep(state: &ServerState) -> Infallible {
    let mut tick = tokio::time::interval(state.config.bounds.idle / Connections::TICKS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        state.pools.in_role(Role::Worker).for_each(|(_, worker)| worker.tell(Message::Sweep));
    }
}
