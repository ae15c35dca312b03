//! A running process that answers.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Instance, Laps, Outside, Phase, Request, Response, Streams};
use isolab_guest::caller::{Caller, Fault};
use isolab_guest::outbound::Proxy;
use isolab_guest::resident;
use isolab_guest::zygote::Zygote;

use crate::child::Child;
use crate::shared::Shared;

pub(crate) struct ProcessInstance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Caller<Child>,
    /// Its processes when it connected; the last one is the server.
    pub(crate) processes: Vec<u32>,
    /// Sends the process's outbound requests, as long as it lives.
    pub(crate) _outbound: Option<Proxy>,
    /// The zygote that has forked it, with which it would end.
    pub(crate) _zygote: Option<Arc<Zygote>>,
}

impl ProcessInstance {
    fn error(&self, fault: Fault) -> Error {
        fault.error(|cause| self.shared.error(Phase::Invoke, cause))
    }

    fn server_id(&self) -> u32 {
        *self.processes.last().expect("an instance has a process")
    }
}

#[async_trait(?Send)]
impl Instance for ProcessInstance {
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
        resident::watch(self.server_id());
    }

    fn peak_memory(&self) -> Result<u64, &'static str> {
        resident::peak(self.server_id())
    }

    fn outside(&self) -> Outside {
        match &self.caller.server().surroundings().group {
            Some(group) => {
                let (cgroups, around) = group.counting();
                Outside { cgroups, around, ..Outside::default() }
            }
            None => Outside { helpers: self.processes.clone(), ..Outside::default() },
        }
    }

    async fn stop(self: Box<Self>, laps: &mut Laps) -> Result<(), Error> {
        let Self { shared, caller, _zygote, .. } = *self;
        let (child, connections) = caller.into_parts();
        let killed = child.kill().await;
        laps.mark("kill");
        drop(connections);
        killed.map_err(|error| shared.error(Phase::Stop, Cause::Internal(format!("kill failed: {error}"))))
    }
}
