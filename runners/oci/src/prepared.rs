//! A function with its root file system, from which containers are started.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Phase, Prepared};
use isolab_guest::caller::Caller;
use isolab_guest::child::Child;
use isolab_guest::hierarchy;
use isolab_guest::outbound::{self, Proxy};
use isolab_outbound::Client;
use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::config;
use crate::container::Container;
use crate::instance::OciInstance;
use crate::netns::Netns;
use crate::rootfs::Rootfs;
use crate::shared::Shared;

/// How long a start may take. Node on a loaded machine takes seconds; a server that
/// takes longer than this never connects.
const START_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct PreparedOci {
    pub(crate) shared: Arc<Shared>,
    pub(crate) rootfs: Rootfs,
    /// The network namespace of all instances, if they share one.
    pub(crate) network: Option<Netns>,
}

#[async_trait(?Send)]
impl Prepared for PreparedOci {
    fn artifact(&self) -> &Artifact {
        &self.rootfs.artifact
    }

    fn max_concurrency(&self) -> usize {
        usize::try_from(self.shared.settings.concurrency).unwrap_or(usize::MAX)
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

impl PreparedOci {
    async fn run(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Cause> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);

        let Shared { session, runtime, state, group, settings, limits, grants, guest_cpu, .. } =
            &*self.shared;
        // The host listens before there is a guest.
        let socket = session.socket()?;
        let id = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
        let group = group.join(&id);
        let bundle = session.folder().join(format!("bundle-{id}"));
        let spec = config::Container {
            rootfs: &self.rootfs.folder,
            command: &self.rootfs.command,
            settings: *settings,
            limits: *limits,
            grants,
            folder: socket.folder(),
            network: self.network.as_ref().map(|network| network.path.as_path()),
            group: &Path::new("/").join(&group),
            cpu: *guest_cpu,
        }
        .spec();
        fs::create_dir(&bundle)
            .map_err(|error| error.to_string())
            .and_then(|()| {
                spec.and_then(|spec| spec.save(bundle.join("config.json"))).map_err(|it| it.to_string())
            })
            .map_err(|reason| Cause::Internal(format!("no configuration can be written: {reason}")))?;
        let groups: Vec<_> = hierarchy::roots().iter().map(|root| root.join(&group)).collect();
        let outbound = match &self.shared.outbound {
            Some(hosts) => Some((socket.listen_beside(outbound::FILE)?, Client::new(hosts))),
            None => None,
        };
        laps.mark("configuration");
        let mut command = runtime.run(&bundle, &id);
        // SAFETY: between fork and exec the closure only makes a system call.
        unsafe { command.pre_exec(|| Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)) };
        let (runtime, state) = (Arc::clone(runtime), state.join(&id));
        let container = Container { runtime, id, bundle, state, groups: groups.clone() };
        let child = Child::spawn(command, container, socket, *limits).await?;
        laps.mark("spawn");
        let outbound = outbound.map(|(listener, client)| {
            let is_guest = move |process| Container::holds(&groups, process);
            Proxy::serve(listener, client, limits.deadline, is_guest)
        });
        let caller = Caller::new(child, *limits, settings.concurrency > 1).await?;
        laps.mark("ready");
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(OciInstance { shared, caller, _outbound: outbound }))
    }
}
