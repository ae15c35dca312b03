//! A running container that answers.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Instance, Laps, Limits, Outside, Phase, Request, Response, Streams};
use isolab_guest::caller::{Caller, Fault, Server};
use isolab_guest::connection::Connection;
use isolab_guest::outbound::Proxy;

use crate::container::Container;
use crate::endpoint::Endpoint;
use crate::outside;
use crate::shared::Shared;

pub(crate) struct DockerInstance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Caller<Contained>,
    /// Sends the container's outbound requests, as long as it lives.
    pub(crate) _outbound: Option<Proxy>,
}

/// The server in a container.
pub(crate) struct Contained {
    pub(crate) container: Container,
    pub(crate) endpoint: Endpoint,
    pub(crate) limits: Limits,
}

#[async_trait(?Send)]
impl Server for Contained {
    async fn connect(&self) -> Result<Connection, Cause> {
        self.endpoint.connect(&self.container, self.limits).await
    }

    async fn cause_of_death(&self) -> Option<Cause> {
        let death = self.container.await_death(self.limits).await;
        death.unwrap_or_else(|error| Some(error.into()))
    }
}

impl DockerInstance {
    fn error(&self, fault: Fault) -> Error {
        fault.error(|cause| self.shared.error(Phase::Invoke, cause))
    }
}

#[async_trait(?Send)]
impl Instance for DockerInstance {
    async fn invoke(&self, request: Request, _laps: &mut Laps) -> Result<Response, Error> {
        self.caller.invoke(&request).await.map_err(|fault| self.error(fault))
    }

    async fn stream(
        &self,
        request: Request,
        streams: Streams,
        _laps: &mut Laps,
    ) -> Result<Option<Response>, Error> {
        self.caller.stream(&request, streams).await.map_err(|fault| self.error(fault))
    }

    fn peak_memory(&self) -> Result<u64, &'static str> {
        Err("only the container's control group counts it")
    }

    fn outside(&self) -> Outside {
        outside::of_container(&self.caller.server().container.id, &self.shared.group)
    }

    async fn stop(self: Box<Self>, laps: &mut Laps) -> Result<(), Error> {
        let Self { shared, caller, .. } = *self;
        let (Contained { container, endpoint, .. }, connections) = caller.into_parts();
        let removed = container.remove().await;
        laps.mark("remove");
        drop((connections, endpoint));
        removed.map_err(|error| shared.error(Phase::Stop, error))
    }
}
