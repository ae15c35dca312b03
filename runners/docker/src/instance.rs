//! A running container that answers.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Instance, Laps, Outside, Phase, Request, Response};

use crate::connection::{Connection, Failure};
use crate::container::Container;
use crate::outside;
use crate::prepared::{Address, Shared};
use crate::session::SocketFolder;

pub(crate) struct DockerInstance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) container: Container,
    pub(crate) address: Address,
    /// `None` after a response that ended its connection, and after a failure.
    pub(crate) connection: Option<Connection>,
    /// `None` on the bridge.
    pub(crate) folder: Option<SocketFolder>,
}

#[async_trait(?Send)]
impl Instance for DockerInstance {
    async fn invoke(&mut self, request: Request, _laps: &mut Laps) -> Result<Response, Error> {
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

    fn outside(&self) -> Outside {
        outside::of_container(&self.container.id)
    }

    async fn stop(self: Box<Self>, laps: &mut Laps) -> Result<(), Error> {
        let Self { shared, container, connection, folder, .. } = *self;
        drop(connection);
        let removed = container.remove().await;
        laps.mark("remove");
        drop(folder);
        removed.map_err(|error| shared.error(Phase::Stop, error))
    }
}

impl DockerInstance {
    async fn exchange(&mut self, request: &Request) -> Result<Response, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.address.connect().await?,
        };
        let limit_bytes = self.shared.limits.response_bytes;
        let (response, connection) = connection.exchange(request, limit_bytes).await?;
        self.connection = connection;
        Ok(response)
    }

    /// Why the server hung up: it died, or the function broke off its answer.
    async fn cause_of_silence(&self) -> Cause {
        match self.container.await_death(self.shared.limits).await {
            Ok(Some(cause)) => cause,
            Ok(None) => Cause::Trapped("the answer was broken off, while the container goes on".into()),
            Err(error) => error.into(),
        }
    }
}
