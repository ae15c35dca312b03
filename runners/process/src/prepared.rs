//! A function with its server, from which processes are started.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Phase, Prepared};
use isolab_guest::caller::Caller;
use isolab_guest::environment;
use isolab_guest::outbound::{self, Proxy};
use isolab_guest::socket::{self, HostSocket};
use isolab_guest::zygote::Zygote;
use isolab_outbound::Client;

use crate::artifact::Server;
use crate::child::{self, Child, Variables};
use crate::fork::Forking;
use crate::instance::ProcessInstance;
use crate::settings::Spawn;
use crate::shared::Shared;

/// How long a start may take. Node on a loaded machine takes seconds; a server that
/// takes longer than this never connects.
const START_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct PreparedProcess {
    shared: Arc<Shared>,
    server: Server,
    /// With `spawn=fork`.
    forking: Option<Forking>,
}

#[async_trait(?Send)]
impl Prepared for PreparedProcess {
    fn artifact(&self) -> &Artifact {
        &self.server.artifact
    }

    fn max_concurrency(&self) -> usize {
        usize::try_from(self.shared.settings.concurrency).unwrap_or(usize::MAX)
    }

    fn holds_thread(&self) -> bool {
        false
    }

    fn confines_files(&self) -> bool {
        self.shared.confinement.confines_files()
    }

    fn streams(&self) -> bool {
        true
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let started = tokio::time::timeout(START_TIMEOUT, self.run(laps)).await;
        let instance = started.unwrap_or(Err(Cause::DeadlineExceeded(START_TIMEOUT)));
        instance.map_err(|cause| self.shared.error(Phase::Start, cause))
    }
}

impl PreparedProcess {
    /// Takes a server that was laid out, and starts its zygote if it is to have one.
    pub(crate) async fn new(shared: Arc<Shared>, server: Server, laps: &mut Laps) -> Result<Self, Cause> {
        let forking = match shared.settings.spawn {
            Spawn::Exec => None,
            Spawn::Fork => {
                let forking = Forking::new(&shared, &server, common(&shared)).await?;
                laps.mark("zygote");
                Some(forking)
            }
        };
        Ok(Self { shared, server, forking })
    }

    async fn run(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Cause> {
        let Shared { session, settings, limits, .. } = &*self.shared;
        // The host listens before there is a guest.
        let socket = session.socket()?;
        let folder = socket.folder().to_owned();
        let mut variables = vec![("ISOLAB_SOCKET".into(), folder.join(socket::FILE).into())];
        let outbound = match &self.shared.outbound {
            Some(hosts) => {
                variables.push((outbound::VARIABLE.into(), folder.join(outbound::FILE).into()));
                Some((socket.listen_beside(outbound::FILE)?, Client::new(hosts)))
            }
            None => None,
        };
        laps.mark("socket");
        let (child, zygote) = self.child(variables, socket).await?;
        laps.mark("spawn");
        let (id, is_wrapped) = (child.id(), child.surroundings().is_wrapped);
        let outbound = outbound.map(|(listener, client)| {
            let is_guest = move |process| child::is_server(id, is_wrapped, process);
            Proxy::serve(listener, client, limits.deadline, is_guest)
        });
        let caller = Caller::new(child, *limits, settings.concurrency > 1).await?;
        laps.mark("ready");
        let shared = Arc::clone(&self.shared);
        let server = caller.server();
        let processes = server.surroundings().processes(server.id());
        Ok(Box::new(ProcessInstance { shared, caller, processes, _outbound: outbound, _zygote: zygote }))
    }

    /// A process with more variables than those that all have in common.
    async fn child(
        &self,
        mut variables: Variables,
        socket: HostSocket,
    ) -> Result<(Child, Option<Arc<Zygote>>), Cause> {
        if let Some(forking) = &self.forking {
            let (child, zygote) = forking.fork(&self.shared, &self.server, variables, socket).await?;
            return Ok((child, Some(zygote)));
        }
        variables.extend(common(&self.shared));
        Ok((child::spawn(&self.shared, &self.server, variables, socket).await?, None))
    }
}

/// The environment variables of every process of a function.
fn common(shared: &Shared) -> Variables {
    let mut variables = environment::granted(&shared.grants);
    variables.push(environment::limited(&shared.limits));
    variables.extend(environment::concurrent(shared.settings.concurrency));
    variables.iter().filter_map(|variable| split(variable)).collect()
}

fn split(variable: &str) -> Option<(OsString, OsString)> {
    variable.split_once('=').map(|(name, value)| (name.into(), value.into()))
}
