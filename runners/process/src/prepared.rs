//! A function with its server, from which processes are started.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Phase, Prepared};
use isolab_guest::caller::Caller;
use isolab_guest::environment;
use isolab_guest::outbound::{self, Proxy};
use isolab_guest::socket;
use isolab_outbound::Client;

use crate::artifact::Server;
use crate::child;
use crate::instance::ProcessInstance;
use crate::shared::Shared;

/// How long a start may take. Node on a loaded machine takes seconds; a server that
/// takes longer than this never connects.
const START_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct PreparedProcess {
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: Server,
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
    async fn run(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Cause> {
        let Shared { session, confinement, settings, limits, grants, guest_cpu, .. } = &*self.shared;
        // The host listens before there is a guest.
        let socket = session.socket()?;
        let folder = socket.folder().to_owned();
        let mut variables = environment::granted(grants);
        variables.push(environment::limited(limits));
        variables.extend(environment::concurrent(settings.concurrency));
        let mut variables: Vec<(OsString, OsString)> = variables.iter().filter_map(|it| split(it)).collect();
        variables.push(("ISOLAB_SOCKET".into(), folder.join(socket::FILE).into()));
        let outbound = match &self.shared.outbound {
            Some(hosts) => {
                variables.push((outbound::VARIABLE.into(), folder.join(outbound::FILE).into()));
                Some((socket.listen_beside(outbound::FILE)?, Client::new(hosts)))
            }
            None => None,
        };
        laps.mark("socket");
        let place = (socket, *limits, *guest_cpu);
        let child = child::spawn(&self.server, variables, &grants.args, confinement, place).await?;
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
        Ok(Box::new(ProcessInstance { shared, caller, processes, _outbound: outbound }))
    }
}

fn split(variable: &str) -> Option<(OsString, OsString)> {
    variable.split_once('=').map(|(name, value)| (name.into(), value.into()))
}
