//! A running container that answers.

use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Instance, Laps, Outside, Phase, Request, Response, Streams};

use crate::connection::Connection;
use crate::container::Container;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::outbound::Proxy;
use crate::outside;
use crate::shared::Shared;

/// The cause of a closed connection to a container that lives.
const BROKEN_OFF: &str = "the answer was broken off, while the container goes on";

pub(crate) struct DockerInstance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) container: Container,
    pub(crate) endpoint: Endpoint,
    /// Connections without a request. A failure, and a response that ends its connection, leave
    /// none.
    pub(crate) idle: RefCell<Vec<Connection>>,
    /// Sends the container's outbound requests, as long as it lives.
    pub(crate) _outbound: Option<Proxy>,
}

#[async_trait(?Send)]
impl Instance for DockerInstance {
    async fn invoke(&self, request: Request, _laps: &mut Laps) -> Result<Response, Error> {
        self.within_deadline(self.exchange(&request)).await
    }

    async fn stream(
        &self,
        request: Request,
        streams: Streams,
        _laps: &mut Laps,
    ) -> Result<Option<Response>, Error> {
        self.within_deadline(self.exchange_streams(&request, streams)).await
    }

    fn peak_memory(&self) -> Result<u64, &'static str> {
        Err("only the container's control group counts it")
    }

    fn outside(&self) -> Outside {
        outside::of_container(&self.container.id, &self.shared.group)
    }

    async fn stop(self: Box<Self>, laps: &mut Laps) -> Result<(), Error> {
        // A server whose connection is closed connects again: it would do that while it is
        // removed.
        let Self { shared, container, endpoint, idle, _outbound } = *self;
        let removed = container.remove().await;
        laps.mark("remove");
        drop((idle, endpoint));
        removed.map_err(|error| shared.error(Phase::Stop, error))
    }
}

impl DockerInstance {
    async fn within_deadline<T>(
        &self,
        exchanging: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Error> {
        let deadline = self.shared.limits.deadline;
        let failure = match tokio::time::timeout(deadline, exchanging).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Cause(Cause::DeadlineExceeded(deadline)),
        };
        // An exchange that is given up half-way ends an instance with one request at a time.
        let spares_others = self.shared.settings.concurrency > 1;
        let (cause, is_spared) = match failure {
            Failure::Cause(cause) => (cause, false),
            Failure::Left(reason) => (Cause::Internal(reason), spares_others),
            Failure::Closed => match self.cause_of_death().await {
                Some(cause) => (cause, false),
                None => (Cause::Trapped(BROKEN_OFF.into()), spares_others),
            },
        };
        let error = self.shared.error(Phase::Invoke, cause);
        let is_spared = is_spared || error.spares_instance;
        Err(error.sparing(is_spared))
    }

    async fn exchange(&self, request: &Request) -> Result<Response, Failure> {
        let (answer, connection) = self.connection().await?.exchange(request).await?;
        self.idle.borrow_mut().extend(connection);
        Ok(answer?)
    }

    async fn exchange_streams(
        &self,
        request: &Request,
        streams: Streams,
    ) -> Result<Option<Response>, Failure> {
        let (answer, connection) = self.connection().await?.stream(request, streams).await?;
        self.idle.borrow_mut().extend(connection);
        Ok(answer?)
    }

    /// An idle connection that can carry a request, else a new connection.
    async fn connection(&self) -> Result<Connection, Cause> {
        match self.quiet() {
            Some(connection) => Ok(connection),
            None => self.endpoint.connect(&self.container, self.shared.limits).await,
        }
    }

    /// A kept connection that can carry a request.
    fn quiet(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find(Connection::is_quiet)
    }

    /// Why the server closed the connection; `None` if it lives, and the function broke off its
    /// answer.
    async fn cause_of_death(&self) -> Option<Cause> {
        let death = self.container.await_death(self.shared.limits).await;
        death.unwrap_or_else(|error| Some(error.into()))
    }
}
