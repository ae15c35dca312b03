//! A worker: one thread that serves connections and owns instances.
//!
//! Everything between a connection and an instance happens on this thread, so that
//! nothing on the way is locked, and no request is handed to another thread.

use std::cell::OnceCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::http::connection::{Connections, Ticket};
use crate::pool::Pool;
use crate::pool::tasks::Tasks;
use crate::route::Route;
use crate::shared::Shared;
use crate::telemetry::metrics::WorkerMetrics;

/// What a worker is told.
pub(crate) enum Message {
    /// Serve this connection.
    Serve(std::net::TcpStream, Ticket),
    /// Stop one idle instance of the executor at that place, if there is one.
    Evict(usize),
    /// Close the connections that have been quiet for too long. Comes from the
    /// acceptor: a worker without timers of its own sleeps and wakes faster.
    Sweep,
    /// Finish what is in flight, stop all instances, and end.
    Drain,
}

pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    /// Instances that are being started or stopped for nobody in particular.
    pub(crate) tasks: Rc<Tasks>,
    /// By the route's index.
    pools: Vec<OnceCell<Rc<Pool>>>,
}

impl Worker {
    fn new(shared: &Arc<Shared>, metrics: &Arc<WorkerMetrics>) -> Self {
        Self {
            shared: Arc::clone(shared),
            metrics: Arc::clone(metrics),
            tasks: Rc::default(),
            pools: (0..shared.routes.len()).map(|_| OnceCell::new()).collect(),
        }
    }

    /// This worker's instances of a function on an executor.
    pub(crate) fn pool(&self, route: &Arc<Route>) -> &Rc<Pool> {
        self.pools[route.index].get_or_init(|| {
            Rc::new(Pool::new(&self.shared, route, self.metrics.cell(route.index), &self.tasks))
        })
    }

    fn pools(&self) -> impl Iterator<Item = &Rc<Pool>> {
        self.pools.iter().filter_map(OnceCell::get)
    }

    fn evict(&self, executor_index: usize) {
        // Every worker is asked: another may have made place already.
        if self.shared.capacities[executor_index].waiting() == 0 {
            return;
        }
        let mut pools = self.pools().filter(|pool| pool.route.executor_index == executor_index);
        if let Some((pool, slot)) = pools.find_map(|pool| pool.pop_idle().map(|slot| (pool, slot))) {
            pool.retire(slot);
        }
    }

    fn stop_idle(&self) {
        for pool in self.pools() {
            while let Some(slot) = pool.pop_idle() {
                pool.retire(slot);
            }
        }
    }
}

/// The whole life of a worker's thread. Tells `ready` when it can serve, or why not.
pub(crate) fn run(
    shared: &Arc<Shared>,
    index: usize,
    inbox: UnboundedReceiver<Message>,
    ready: oneshot::Sender<std::io::Result<()>>,
) {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    // The server may have given up waiting, which the inbox tells as well.
    let _ = ready.send(Ok(()));
    let worker = Rc::new(Worker::new(shared, &shared.workers[index].metrics));
    runtime.block_on(work(&worker, inbox));
}

async fn work(worker: &Rc<Worker>, mut inbox: UnboundedReceiver<Message>) {
    let bounds = &worker.shared.config.bounds;
    let mut connections = Connections::new(worker);
    let mut deadline = pin!(tokio::time::sleep(Duration::MAX));
    let mut draining = false;

    while !draining || !connections.is_empty() {
        tokio::select! {
            message = inbox.recv() => match message {
                Some(Message::Serve(stream, ticket)) => serve(&mut connections, stream, ticket),
                Some(Message::Evict(executor_index)) => worker.evict(executor_index),
                Some(Message::Sweep) => connections.sweep(),
                Some(Message::Drain) | None => {
                    draining = true;
                    deadline.as_mut().reset(Instant::now() + bounds.drain);
                    connections.close();
                }
            },
            () = connections.one_ended(), if !connections.is_empty() => {}
            () = &mut deadline, if draining => {
                tracing::warn!("{} connections did not end within {:?}", connections.len(), bounds.drain);
                connections.abort().await;
            }
        }
    }

    worker.stop_idle();
    if tokio::time::timeout(bounds.drain, worker.tasks.all_ended()).await.is_err() {
        tracing::error!("{} instances did not stop within {:?}", worker.tasks.running(), bounds.drain);
    }
}

fn serve(connections: &mut Connections, stream: std::net::TcpStream, ticket: Ticket) {
    match TcpStream::from_std(stream) {
        Ok(stream) => connections.serve(stream, ticket),
        Err(error) => tracing::warn!("a connection could not be taken over: {error}"),
    }
}
