//! The host's calls of one server.

use std::cell::RefCell;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Limits, Request, Response, Streams};
use tokio::sync::Notify;

use crate::connection::Connection;
use crate::failure::Failure;

/// The cause of a closed connection to a server that lives.
const BROKEN_OFF: &str = "the answer was broken off, while the server goes on";

/// A server that was started for one instance.
#[async_trait(?Send)]
pub trait Server {
    /// A new connection to it, as soon as there is one, unless the server dies before. The caller sets the
    /// time-out.
    async fn connect(&self) -> Result<Connection, Cause>;

    /// Why the server has closed a connection; `None` if it lives. Waits a moment for its death.
    async fn cause_of_death(&self) -> Option<Cause>;
}

/// A server with its connections.
pub struct Caller<S> {
    server: S,
    limits: Limits,
    /// Whether the server answers several requests at the same time.
    is_shared: bool,
    /// Connections without a request. A failure, and a response that ends its connection, leave
    /// none.
    idle: RefCell<Vec<Connection>>,
    /// Notified when a request leaves its connection.
    left: Notify,
}

/// Why a call has no answer.
#[derive(Debug)]
pub struct Fault {
    cause: Cause,
    is_spared: bool,
}

impl Fault {
    /// The error that `of` makes of the cause. It says whether the instance goes on.
    pub fn error(self, of: impl FnOnce(Cause) -> Error) -> Error {
        let error = of(self.cause);
        let is_spared = self.is_spared || error.spares_instance;
        error.sparing(is_spared)
    }

    /// Its cause.
    pub fn into_cause(self) -> Cause {
        self.cause
    }
}

impl<S: Server> Caller<S> {
    /// Takes a server with its first connection, as soon as there is one.
    ///
    /// # Errors
    /// If the server dies before.
    pub async fn new(server: S, limits: Limits, is_shared: bool) -> Result<Self, Cause> {
        let idle = RefCell::new(vec![server.connect().await?]);
        Ok(Self { server, limits, is_shared, idle, left: Notify::new() })
    }

    /// The server.
    pub fn server(&self) -> &S {
        &self.server
    }

    /// The server and its connections. A server whose connection is closed connects again, so keep them
    /// until it is gone.
    pub fn into_parts(self) -> (S, Vec<Connection>) {
        (self.server, self.idle.into_inner())
    }

    /// One exchange within the deadline.
    pub async fn invoke(&self, request: &Request) -> Result<Response, Fault> {
        self.within_deadline(async {
            let (answer, connection) = self.connection().await?.exchange(request).await?;
            self.keep(connection);
            Ok(answer?)
        })
        .await
    }

    /// The same with streams. There is no response if the answer goes to the outlet.
    pub async fn stream(&self, request: &Request, streams: Streams) -> Result<Option<Response>, Fault> {
        self.within_deadline(async {
            let (answer, connection) = self.connection().await?.stream(request, streams).await?;
            self.keep(connection);
            Ok(answer?)
        })
        .await
    }

    async fn within_deadline<T>(
        &self,
        exchanging: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Fault> {
        let deadline = self.limits.deadline;
        let failure = match tokio::time::timeout(deadline, exchanging).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Cause(Cause::DeadlineExceeded(deadline)),
        };
        // An exchange that is given up half-way ends an instance with one request at a time.
        let (cause, is_spared) = match failure {
            Failure::Cause(cause) => (cause, false),
            Failure::Left(reason) => (Cause::Internal(reason), self.is_shared),
            Failure::Closed => match self.server.cause_of_death().await {
                Some(cause) => (cause, false),
                None => (Cause::Trapped(BROKEN_OFF.into()), self.is_shared),
            },
        };
        Err(Fault { cause, is_spared })
    }

    /// An idle connection that can carry a request, else a new one, or one that another request leaves
    /// before: the server opens no further connection while it has one without a request.
    async fn connection(&self) -> Result<Connection, Cause> {
        loop {
            if let Some(connection) = self.quiet() {
                return Ok(connection);
            }
            tokio::select! {
                biased;
                connected = self.server.connect() => return connected,
                () = self.left.notified() => {}
            }
        }
    }

    fn keep(&self, connection: Option<Connection>) {
        self.idle.borrow_mut().extend(connection);
        self.left.notify_one();
    }

    /// A kept connection that can carry a request.
    fn quiet(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find(Connection::is_quiet)
    }
}
