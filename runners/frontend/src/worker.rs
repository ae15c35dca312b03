//! A worker: one thread that serves connections and owns instances. A compute thread runs the same
//! loop; it gets requests of slow routes instead of connections.
//!
//! Everything between a connection and an instance of a quick route happens on one thread: no lock
//! is taken on the way, and no request is handed to another thread.

use std::net::TcpStream as StdStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::gettid;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::compute;
use crate::dispatch;
use crate::http::connection::Connections;
use crate::pool::inbox::{Message, Role};
use crate::processor;
use crate::registry::Admission;
use crate::state::{ServerState, WorkerState};

/// How far a thread has come. It has ended when the sender is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It serves, or finishes requests.
    Serving,
    /// All connections and requests have ended, and the instances are being stopped.
    Stopping,
}

/// The whole life of a worker or a compute thread. `ready` gets the result of its start.
pub(crate) fn run(
    server: &Arc<ServerState>,
    index: usize,
    inbox: UnboundedReceiver<Message>,
    ready: oneshot::Sender<std::io::Result<()>>,
    progress: &watch::Sender<Progress>,
) {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let handle = &server.threads()[index];
    let _ = handle.kernel_id.set(gettid());
    if handle.role() == Role::Compute {
        processor::give_way(gettid());
    }
    // A server that no longer waits has sent `Drain`.
    let _ = ready.send(Ok(()));
    let worker = Rc::new(WorkerState::new(server, index));
    runtime.block_on(async {
        serve(&worker, inbox).await;
        progress.send_replace(Progress::Stopping);
        stop_instances(&worker).await;
    });
}

/// Serves until `Drain`, and then until all connections and requests have ended.
async fn serve(worker: &Rc<WorkerState>, mut inbox: UnboundedReceiver<Message>) {
    let registry = &worker.server.threads()[worker.index].registry;
    let mut connections = Connections::new(worker.server.config.bounds.head_bytes, &worker.tasks, registry);
    let mut jobs = JoinSet::new();
    let mut deadline = pin!(tokio::time::sleep(Duration::MAX));
    let mut draining = false;

    while !draining || !connections.is_empty() || !jobs.is_empty() {
        tokio::select! {
            Some(message) = inbox.recv() => match message {
                Message::Serve(stream, admission) => open(worker, &mut connections, stream, admission),
                Message::Compute(job) => {
                    jobs.spawn_local(compute::here(Rc::clone(worker), *job));
                }
                Message::Evict(executor_index) => worker.evict(executor_index),
                Message::Leave(route) => worker.leave(route),
                Message::Reroute => worker.reroute(),
                Message::Sweep => connections.sweep(),
                Message::Drain(until) => {
                    draining = true;
                    deadline.as_mut().reset(until);
                    connections.close();
                }
            },
            () = connections.one_ended(), if !connections.is_empty() => {}
            Some(ended) = jobs.join_next() => {
                if let Err(error) = ended {
                    tracing::error!("answering a request panicked: {error}");
                }
            }
            () = &mut deadline, if draining => {
                let given_up = connections.len() + jobs.len();
                tracing::warn!("gave up {given_up} of the requests in flight: the time to drain is over");
                connections.abort().await;
                jobs.shutdown().await;
            }
        }
    }
}

fn open(worker: &Rc<WorkerState>, connections: &mut Connections, stream: StdStream, admission: Admission) {
    let worker = Rc::clone(worker);
    let answer = move |request, in_work| dispatch::answer(Rc::clone(&worker), request, in_work);
    match TcpStream::from_std(stream) {
        Ok(stream) => connections.serve(stream, admission, answer),
        Err(error) => tracing::warn!("a connection could not be registered with the event loop: {error}"),
    }
}

async fn stop_instances(worker: &WorkerState) {
    let bound = worker.server.config.bounds.cleanup;
    worker.stop_idle();
    if tokio::time::timeout(bound, worker.tasks.all_ended()).await.is_ok() {
        return;
    }
    for pool in worker.pools() {
        let live = pool.metrics.live.get();
        if live > 0 {
            let (function, executor) = (pool.route.function.name(), &pool.route.served.spec);
            tracing::error!(
                "stop of `{function}` on {executor}: {live} of its instances did not stop within {bound:?}"
            );
        }
    }
}
