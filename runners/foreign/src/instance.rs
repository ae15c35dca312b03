//! A running process that answers.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Instance, Laps, Outside, Phase, Request, Response, Streams};
use isolab_guest::caller::{Caller, Fault};
use isolab_guest::child::{Child, Surroundings};
use isolab_guest::outbound::Proxy;
use isolab_guest::resident;

use crate::shared::Shared;

/// The surroundings of a process that is the whole instance.
pub(crate) struct Alone;

impl Surroundings for Alone {}

pub(crate) struct ForeignInstance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Caller<Child<Alone>>,
    /// Sends the process's outbound requests, as long as it lives.
    pub(crate) _outbound: Option<Proxy>,
}

impl ForeignInstance {
    fn error(&self, fault: Fault) -> Error {
        fault.error(|cause| self.shared.error(Phase::Invoke, cause))
    }

    fn process(&self) -> u32 {
        self.caller.server().id()
    }
}

#[async_trait(?Send)]
impl Instance for ForeignInstance {
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

    fn watch_memory(&self) {
        resident::watch(self.process());
    }

    fn peak_memory(&self) -> Result<u64, &'static str> {
        resident::peak(self.process())
    }

    fn outside(&self) -> Outside {
        Outside { helpers: vec![self.process()], ..Outside::default() }
    }

    async fn stop(self: Box<Self>, laps: &mut Laps) -> Result<(), Error> {
        let Self { shared, caller, .. } = *self;
        let (child, connections) = caller.into_parts();
        let killed = child.kill().await;
        laps.mark("kill");
        drop(connections);
        killed.map_err(|error| shared.error(Phase::Stop, Cause::Internal(format!("kill failed: {error}"))))
    }
}
