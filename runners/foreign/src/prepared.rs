//! A function that is laid out, from which processes are started.

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Phase, Prepared, Request};
use isolab_guest::bounds;
use isolab_guest::caller::{Caller, Fault};
use isolab_guest::child::Child;
use isolab_guest::outbound::{self, Proxy};
use isolab_guest::server_socket::ServerSocket;
use isolab_outbound::Client;

use crate::instance::{Alone, ForeignInstance};
use crate::runtime::Place;
use crate::shared::Shared;

/// How long a start may take on a loaded machine. A server that takes longer than this never listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The variable with the granted environment variables, as a JSON object.
const GRANTED: &str = "ISOLAB_GRANTED";

pub(crate) struct PreparedForeign {
    pub(crate) shared: Arc<Shared>,
    pub(crate) artifact: Artifact,
}

#[async_trait(?Send)]
impl Prepared for PreparedForeign {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn max_concurrency(&self) -> usize {
        usize::try_from(self.shared.concurrency).unwrap_or(usize::MAX)
    }

    fn holds_thread(&self) -> bool {
        false
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

impl PreparedForeign {
    async fn run(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Cause> {
        let Shared { session, concurrency, limits, .. } = &*self.shared;
        let socket = session.server_socket()?;
        let outbound = match &self.shared.outbound {
            Some(hosts) => Some((socket.listen_beside(outbound::FILE)?, Client::new(hosts))),
            None => None,
        };
        laps.mark("socket");
        let command = self.command(&socket);
        let child = Child::spawn(command, Alone, socket, *limits).await?;
        laps.mark("spawn");
        let id = child.id();
        let outbound = outbound.map(|(listener, client)| {
            Proxy::serve(listener, client, limits.deadline, move |process| process == id)
        });
        let caller = Caller::new(child, *limits, *concurrency > 1).await?;
        if self.shared.runtime.listens_early {
            laps.mark("connect");
            caller.invoke(&first_request()).await.map_err(Fault::into_cause)?;
        }
        laps.mark("ready");
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(ForeignInstance { shared, caller, _outbound: outbound }))
    }

    fn command(&self, socket: &ServerSocket) -> Command {
        let Shared { runtime, program, folder, limits, grants, guest_cpu, .. } = &*self.shared;
        let outbound = self.shared.outbound.is_some().then(|| socket.folder().join(outbound::FILE));
        let mut granted: Vec<(&str, OsString)> = Vec::new();
        if !grants.env.is_empty() {
            granted.push((GRANTED, serde_json::json!(grants.env).to_string().into()));
        }
        granted.extend(outbound.iter().map(|path| (outbound::VARIABLE, path.into())));
        let place = Place { function: folder, socket: socket.path(), outbound, limits: *limits };
        let line = (runtime.command_line)(&place);
        let mut command = Command::new(program);
        command.args(line.arguments).env_clear().envs(line.environment).envs(granted).current_dir(folder);
        let bytes = limits.memory_bytes.saturating_add(runtime.extra_bytes);
        bounds::set(&mut command, Some(bytes), *guest_cpu);
        bounds::refuse_files(&mut command);
        command
    }
}

fn first_request() -> Request {
    Request::new(Method::GET, Uri::from_static("/"), HeaderMap::new(), Bytes::new())
}
