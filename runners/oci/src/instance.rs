//! A running container that answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Cause, Error, Instance, Laps, Outside, Phase, Request, Response, Streams};
use isolab_guest::caller::{Caller, Fault};
use isolab_guest::child::Child;
use isolab_guest::hierarchy;
use isolab_guest::outbound::Proxy;

use crate::container::Container;
use crate::shared::Shared;

/// The controllers whose figures the harness reads.
const CONTROLLERS: [&str; 2] = ["memory", "cpuacct"];

pub(crate) struct OciInstance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Caller<Child<Container>>,
    /// Sends the container's outbound requests, as long as it lives.
    pub(crate) _outbound: Option<Proxy>,
}

impl OciInstance {
    fn error(&self, fault: Fault) -> Error {
        fault.error(|cause| self.shared.error(Phase::Invoke, cause))
    }
}

#[async_trait(?Send)]
impl Instance for OciInstance {
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
        let child = self.caller.server();
        let mounts = hierarchy::mounts();
        let roots: Vec<_> = CONTROLLERS.iter().filter_map(|it| hierarchy::root(it, &mounts)).collect();
        let counts = |folder: &&PathBuf| folder.is_dir() && roots.iter().any(|root| folder.starts_with(root));
        let mut cgroups: Vec<_> = child.surroundings().groups.iter().filter(counts).cloned().collect();
        cgroups.sort();
        cgroups.dedup();
        let around = cgroups.iter().filter_map(|folder| folder.parent()).map(Path::to_owned).collect();
        Outside { cgroups, around, helpers: vec![child.id()] }
    }

    async fn stop(self: Box<Self>, laps: &mut Laps) -> Result<(), Error> {
        let Self { shared, caller, .. } = *self;
        let (child, connections) = caller.into_parts();
        let removed = child.kill().await;
        laps.mark("remove");
        drop(connections);
        removed.map_err(|error| {
            shared.error(Phase::Stop, Cause::Internal(format!("the container was not removed: {error}")))
        })
    }
}
