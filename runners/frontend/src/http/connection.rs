//! The connections of one worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::dispatch;
use crate::http::stream::SharedStream;
use crate::pool::tasks::Tasks;
use crate::telemetry::metrics::WorkerMetrics;
use crate::worker::Worker;

/// A connection's admission; gives its place back when the connection ends.
pub(crate) struct Ticket {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<WorkerMetrics>,
}

impl Ticket {
    /// Admits a connection to the worker with these metrics.
    pub(crate) fn new(permit: OwnedSemaphorePermit, metrics: &Arc<WorkerMetrics>) -> Self {
        metrics.open.fetch_add(1, Ordering::Relaxed);
        Self { _permit: permit, metrics: Arc::clone(metrics) }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.metrics.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is known of a connection from outside.
#[derive(Default)]
struct Status {
    /// The tick since which no request is in work; `None` while one is.
    quiet_since: Cell<Option<u64>>,
    closing: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Marks a connection as having a request in work, until it is dropped.
pub(crate) struct InWork {
    status: Rc<Status>,
    now: Rc<Cell<u64>>,
}

impl InWork {
    fn begin(status: &Rc<Status>, now: &Rc<Cell<u64>>) -> Self {
        status.quiet_since.set(None);
        Self { status: Rc::clone(status), now: Rc::clone(now) }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.status.quiet_since.set(Some(self.now.get()));
    }
}

/// All connections of a worker.
///
/// Idle ones are found by a sweep instead of a timer for each: a request then costs
/// two stores instead of a timer that is made, registered and removed again.
pub(crate) struct Connections {
    worker: Rc<Worker>,
    http: http1::Builder,
    running: JoinSet<()>,
    statuses: HashMap<Id, (AbortHandle, Rc<Status>)>,
    now: Rc<Cell<u64>>,
}

impl Connections {
    /// How many sweeps fall into [`Bounds::idle`](crate::Bounds::idle).
    pub(crate) const TICKS: u32 = 8;

    pub(crate) fn new(worker: &Rc<Worker>) -> Self {
        let mut http = http1::Builder::new();
        http.header_read_timeout(None).max_buf_size(worker.shared.config.bounds.head_bytes);
        // Otherwise hyper looks whether the client is still there before it even polls the
        // service, for which it allocates a second buffer. `Closable` looks where it matters.
        http.half_close(true);
        Self {
            worker: Rc::clone(worker),
            http,
            running: JoinSet::new(),
            statuses: HashMap::new(),
            now: Rc::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Serves a connection until it ends.
    pub(crate) fn serve(&mut self, stream: TcpStream, ticket: Ticket) {
        let status = Rc::new(Status::default());
        status.quiet_since.set(Some(self.now.get()));

        let (worker, now, seen) = (Rc::clone(&self.worker), Rc::clone(&self.now), Rc::clone(&status));
        let service = service_fn(move |request| {
            dispatch::answer(Rc::clone(&worker), request, InWork::begin(&seen, &now))
        });
        let stream = SharedStream::new(stream);
        let connection = self.http.serve_connection(TokioIo::new(stream.clone()), service);
        let tasks = Rc::clone(&self.worker.tasks);
        let closable = Closable { connection, stream, status: Rc::clone(&status), tasks };
        let handle = self.running.spawn_local(async move {
            if let Err(error) = closable.await {
                tracing::debug!("a connection ended: {error}");
            }
            drop(ticket);
        });
        self.statuses.insert(handle.id(), (handle, status));
    }

    /// Waits until one connection has ended.
    pub(crate) async fn one_ended(&mut self) {
        match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => self.forget(id, None),
            Some(Err(error)) => self.forget(error.id(), Some(&error)),
            None => {}
        }
    }

    fn forget(&mut self, id: Id, error: Option<&JoinError>) {
        self.statuses.remove(&id);
        if let Some(error) = error.filter(|error| error.is_panic()) {
            tracing::error!("serving a connection panicked: {error}");
        }
    }

    /// Lets a tick pass, and ends the connections that have been quiet for too long.
    pub(crate) fn sweep(&mut self) {
        self.now.set(self.now.get() + 1);
        let quiet = |status: &Status| status.quiet_since.get();
        for (handle, status) in self.statuses.values() {
            // One tick more than the bound has, as the first may have been cut short.
            if quiet(status).is_some_and(|since| self.now.get() - since > u64::from(Self::TICKS)) {
                handle.abort();
            }
        }
    }

    /// Has every connection end after the request that is in work, if one is.
    pub(crate) fn close(&self) {
        for (_, status) in self.statuses.values() {
            status.closing.set(true);
            if let Some(waker) = status.waker.take() {
                waker.wake();
            }
        }
    }

    /// Ends all connections now; what they had in work is given up.
    pub(crate) async fn abort(&mut self) {
        self.running.shutdown().await;
        self.statuses.clear();
    }
}

/// A connection that can be told to end, and ends when its client goes away.
struct Closable<S: HttpService<Incoming>> {
    connection: http1::Connection<TokioIo<SharedStream>, S>,
    stream: SharedStream,
    status: Rc<Status>,
    tasks: Rc<Tasks>,
}

impl<S> Future for Closable<S>
where
    S: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible>,
{
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // hyper's connection is `Unpin` if its transport is.
        let Self { connection, stream, status, tasks } = self.get_mut();
        let mut connection = Pin::new(connection);
        if status.closing.get() {
            connection.as_mut().graceful_shutdown();
        } else {
            let mut waker = status.waker.borrow_mut();
            if waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
        }
        let batch = tasks.batch();
        let polled = connection.poll(context);
        // Responses that were made have been handed to the kernel.
        drop(batch);
        if polled.is_pending() && status.quiet_since.get().is_none() {
            // The request waits for something; nobody may be left to answer.
            return stream.poll_gone(context).map(Ok);
        }
        polled
    }
}
