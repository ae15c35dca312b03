//! The setting `spawn=fork`: a zygote of each function, and the servers that it forks.

use std::os::fd::AsFd;
use std::sync::Arc;

use isolab_core::Cause;
use isolab_guest::socket::HostSocket;
use isolab_guest::zygote::{Ended, Zygote};
use tokio::sync::Mutex;

use crate::artifact::Server;
use crate::child::{Child, Kin, Variables, command};
use crate::confine::Group;
use crate::shared::Shared;

/// The zygote of a function.
pub(crate) struct Forking {
    zygote: Mutex<Arc<Zygote>>,
    /// The environment of every zygote.
    variables: Variables,
}

impl Forking {
    /// Starts a zygote.
    ///
    /// # Errors
    /// If it does not become ready.
    pub(crate) async fn new(shared: &Shared, server: &Server, variables: Variables) -> Result<Self, Cause> {
        let zygote = Mutex::new(Arc::new(start(shared, server, variables.clone()).await?));
        Ok(Self { zygote, variables })
    }

    /// Forks a server that will connect to `socket`. It lives as long as the zygote that is answered.
    ///
    /// # Errors
    /// If the zygote cannot fork, or if a new one ends too.
    pub(crate) async fn fork(
        &self,
        shared: &Shared,
        server: &Server,
        variables: Variables,
        socket: HostSocket,
    ) -> Result<(Child, Arc<Zygote>), Cause> {
        let line = shared.confinement.line(server, shared.limits)?;
        let kin = Kin { is_wrapped: false, group: line.group() };
        let line = line.into_descriptors();
        let line: Vec<_> = line.iter().map(|(role, descriptor)| (*role, descriptor.as_fd())).collect();
        let failed = |error| Cause::Internal(format!("no server can be forked: {error}"));
        let mut zygote = Arc::clone(&*self.zygote.lock().await);
        let mut forked = zygote.fork(variables.clone(), &line).await.map_err(failed)?;
        if let Err(Ended) = forked {
            zygote = self.replace(&zygote, shared, server).await?;
            forked = zygote.fork(variables, &line).await.map_err(failed)?;
        }
        let (forked, stderr) =
            forked.map_err(|Ended| Cause::Internal("the zygote ended, and so did a new one".into()))?;
        Ok((Child::adopt(forked, stderr, kin, socket, shared.limits), zygote))
    }

    /// A zygote in place of one that has ended. A guest without a line can kill it.
    async fn replace(
        &self,
        ended: &Arc<Zygote>,
        shared: &Shared,
        server: &Server,
    ) -> Result<Arc<Zygote>, Cause> {
        let mut zygote = self.zygote.lock().await;
        // Another start may have been faster.
        if Arc::ptr_eq(&zygote, ended) {
            tracing::warn!(function = shared.name, "the zygote has ended, and a new one is started");
            *zygote = Arc::new(start(shared, server, self.variables.clone()).await?);
        }
        Ok(Arc::clone(&zygote))
    }
}

async fn start(shared: &Shared, server: &Server, variables: Variables) -> Result<Zygote, Cause> {
    let line = shared.confinement.line(server, shared.limits)?;
    let group = line.group();
    let command = command(shared, server, variables, line, None);
    Zygote::start(command, move || group.iter().for_each(Group::end)).await
}
