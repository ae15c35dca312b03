//! The connections of one worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Sleep;

use super::outgoing::AnswerBody;
use super::stream::{SharedStream, Silent};
use crate::pool::tasks::Tasks;
use crate::registry::{Admission, Registry};

/// A response, as hyper writes it.
type Answered = Result<Response<AnswerBody>, Infallible>;

/// How long a client that has closed its sending side may wait for its answer, or for the next part of the answer.
/// TCP does not tell it from a client that has left, whose request would hold an instance for nothing, until the
/// client's system refuses a part.
const GRACE: Duration = Duration::from_secs(1);

/// The connection's state, as its owner knows it.
struct Status {
    stream: SharedStream,
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
        status.stream.traffic().begin_work();
        Self { status: Rc::clone(status), now: Rc::clone(now) }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.status.stream.traffic().end_work(self.now.get());
    }
}

/// All connections of a worker.
///
/// A sweep finds idle ones, instead of a timer for each connection: a request costs two
/// stores instead of making, registering and removing a timer.
pub(crate) struct Connections {
    http: http1::Builder,
    tasks: Rc<Tasks>,
    registry: Arc<Registry>,
    running: JoinSet<()>,
    statuses: HashMap<Id, (AbortHandle, Rc<Status>)>,
    now: Rc<Cell<u64>>,
}

impl Connections {
    /// The number of sweeps in [`Bounds::idle`](crate::Bounds::idle).
    pub(crate) const TICKS: u32 = 8;

    /// No connections. Heads are bounded to `head_bytes`; `tasks` gets the work that
    /// responses defer; `registry` shows the connections to other threads.
    pub(crate) fn new(head_bytes: usize, tasks: &Rc<Tasks>, registry: &Arc<Registry>) -> Self {
        let mut http = http1::Builder::new();
        http.header_read_timeout(None).max_buf_size(head_bytes);
        // Otherwise hyper checks whether the client is still there before it polls the
        // service, and allocates a second buffer for it. `Closable` checks only if the
        // request waits.
        http.half_close(true);
        Self {
            http,
            tasks: Rc::clone(tasks),
            registry: Arc::clone(registry),
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
    pub(crate) fn serve<A, F>(&mut self, stream: TcpStream, admission: Admission, answer: A)
    where
        A: Fn(Request<Incoming>, InWork) -> F + 'static,
        F: Future<Output = Answered> + 'static,
    {
        let registration = self.registry.register(&stream, admission, self.now.get());
        let stream = SharedStream::new(stream, registration);
        let status =
            Rc::new(Status { stream: stream.clone(), closing: Cell::new(false), waker: RefCell::new(None) });

        let (now, of_request) = (Rc::clone(&self.now), Rc::clone(&status));
        let service = service_fn(move |request| answer(request, InWork::begin(&of_request, &now)));
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let tasks = Rc::clone(&self.tasks);
        let closable = Closable { connection, status: Rc::clone(&status), tasks, grace: None };
        let handle = self.running.spawn_local(async move {
            if let Err(error) = closable.await {
                tracing::debug!("a connection ended: {error}");
            }
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

    /// Counts a tick, and ends the connections that have been quiet for too long.
    pub(crate) fn sweep(&mut self) {
        self.now.set(self.now.get() + 1);
        for (handle, status) in self.statuses.values() {
            let traffic = status.stream.traffic();
            // One tick more than the bound, as the first tick may have been shorter.
            let is_over =
                traffic.quiet_since().is_some_and(|since| self.now.get() - since > u64::from(Self::TICKS));
            // Other requests may hold the thread so long that it has not read this one's. A client that does not read
            // its answer could keep its connection by another request.
            let waits_for_thread = || !traffic.is_blocked() && status.stream.has_unread();
            if is_over && !waits_for_thread() {
                handle.abort();
            }
        }
    }

    /// Has every connection end: at once if no request is in work and no response waits
    /// for its client, else after the response.
    pub(crate) fn close(&self) {
        for (handle, status) in self.statuses.values() {
            let traffic = status.stream.traffic();
            if traffic.quiet_since().is_some() && !traffic.is_blocked() {
                // Idle, or in the middle of a head, which may never come to its end.
                handle.abort();
                continue;
            }
            status.closing.set(true);
            if let Some(waker) = status.waker.take() {
                waker.wake();
            }
        }
    }

    /// Ends all connections now, and gives up the requests in work.
    pub(crate) async fn abort(&mut self) {
        self.running.shutdown().await;
        self.statuses.clear();
    }
}

/// A connection that can be told to end, and that ends when its client leaves.
struct Closable<S: HttpService<Incoming>> {
    connection: http1::Connection<TokioIo<SharedStream>, S>,
    status: Rc<Status>,
    tasks: Rc<Tasks>,
    /// Begins when the client has closed its sending side.
    grace: Option<Grace>,
}

struct Grace {
    over: Pin<Box<Sleep>>,
    /// The writes when it began.
    writes: u64,
}

impl<S: HttpService<Incoming>> Closable<S> {
    /// Ready when the client has left.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let writes = self.status.stream.writes();
        if self.grace.as_ref().is_none_or(|grace| grace.writes != writes) {
            match ready!(self.status.stream.poll_silent(context)) {
                Silent::Aborted => return Poll::Ready(()),
                Silent::Closed => {
                    self.grace = Some(Grace { over: Box::pin(tokio::time::sleep(GRACE)), writes });
                }
            }
        }
        self.grace.as_mut().map_or(Poll::Pending, |grace| grace.over.as_mut().poll(context))
    }
}

impl<S> Future for Closable<S>
where
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible>,
{
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // hyper's connection is `Unpin` if its transport is.
        let this = self.get_mut();
        let Self { connection, status, tasks, .. } = &mut *this;
        let mut connection = Pin::new(connection);
        if status.closing.get() {
            connection.as_mut().graceful_shutdown();
        } else {
            let mut waker = status.waker.borrow_mut();
            if waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
        }
        status.stream.attend();
        let batch = tasks.batch();
        let polled = connection.poll(context);
        // The kernel has all responses that are ready: run the work that they deferred.
        drop(batch);
        if polled.is_pending() && status.stream.traffic().quiet_since().is_none() {
            // The request waits for something, and its client may have left.
            return this.poll_left(context).map(Ok);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream as Client;
    use std::time::Instant;

    use bytes::Bytes;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;
    use tokio::task::{LocalSet, yield_now};

    use super::*;
    use crate::telemetry::metrics::WorkerMetrics;

    /// A connection that answers every request, and the client's end of it.
    async fn serve(connections: &mut Connections) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::connect(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().await.unwrap().0;
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let admission = Admission::new(permit, &Arc::<WorkerMetrics>::default());
        connections.serve(stream, admission, |_, work| async {
            drop(work);
            Ok(Response::new(AnswerBody::from(Bytes::from_static(b"ok"))))
        });
        client
    }

    /// Other requests hold the thread longer than a connection may be idle, and the request lies in the kernel.
    #[tokio::test]
    async fn a_connection_whose_request_waits_for_the_thread_is_not_quiet() {
        let (registry, tasks) = (Arc::<Registry>::default(), Rc::<Tasks>::default());
        let mut connections = Connections::new(8192, &tasks, &registry);
        let served = async {
            let mut quiet = serve(&mut connections).await;
            let mut asks = serve(&mut connections).await;
            asks.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            for _ in 0..=Connections::TICKS {
                connections.sweep();
            }
            connections.one_ended().await;
            assert_eq!(connections.len(), 1, "one of them was quiet");
            asks.set_nonblocking(true).unwrap();
            let mut answer = [0; 15];
            let begun = Instant::now();
            while asks.peek(&mut answer).is_err() {
                assert!(begun.elapsed() < Duration::from_secs(10), "it answers");
                yield_now().await;
            }
            asks.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            assert_eq!(quiet.read(&mut answer).unwrap(), 0);
        };
        LocalSet::new().run_until(served).await;
    }
}
