//! A running container that answers.

use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Instance, Laps, Outside, Phase, Request, Response};

use crate::connection::{Connection, Failure};
use crate::container::Container;
use crate::endpoint::Endpoint;
use crate::outside;
use crate::shared::Shared;

pub(crate) struct DockerInstance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) container: Container,
    pub(crate) endpoint: Endpoint,
    /// Connections without a request. A failure, and a response that ends its connection, leave
    /// none.
    pub(crate) idle: RefCell<Vec<Connection>>,
}

#[async_trait(?Send)]
impl Instance for DockerInstance {
    async fn invoke(&self, request: Request, _laps: &mut Laps) -> Result<Response, Error> {
        let deadline = self.shared.limits.deadline;
        let failure = match tokio::time::timeout(deadline, self.exchange(&request)).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Cause(Cause::DeadlineExceeded(deadline)),
        };
        let cause = match failure {
            Failure::Cause(cause) => cause,
            Failure::Closed => self.cause_of_silence().await,
        };
        Err(self.shared.error(Phase::Invoke, cause))
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
        let Self { shared, container, endpoint, idle } = *self;
        let removed = container.remove().await;
        laps.mark("remove");
        drop((idle, endpoint));
        removed.map_err(|error| shared.error(Phase::Stop, error))
    }
}

impl DockerInstance {
    async fn exchange(&self, request: &Request) -> Result<Response, Failure> {
        let connection = match self.quiet() {
            Some(connection) => connection,
            None => self.endpoint.connect(&self.container, self.shared.limits).await?,
        };
        let (answer, connection) = connection.exchange(request).await?;
        self.idle.borrow_mut().extend(connection);
        Ok(answer?)
    }

    /// A connection that can carry a request.
    fn quiet(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find(Connection::is_quiet)
    }

    /// Why the server closed the connection: it died, or the function broke off its answer.
    async fn cause_of_silence(&self) -> Cause {
        match self.container.await_death(self.shared.limits).await {
            Ok(Some(cause)) => cause,
            Ok(None) => Cause::Trapped("the answer was broken off, while the container goes on".into()),
            Err(error) => error.into(),
        }
    }
}
