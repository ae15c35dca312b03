//! The executor: its session, its runtime, and the variants that it supports.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use isolab_core::{Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant};
use isolab_guest::node::Node;
use isolab_guest::session::{self, Access, Session};
use isolab_guest::{environment, folders, group, hierarchy};
use isolab_outbound::Outbound;

use crate::netns::Netns;
use crate::prepared::PreparedOci;
use crate::rootfs;
use crate::runtime::{Embedded, Runtime};
use crate::settings::Settings;
use crate::shared::Shared;

/// Containers of an OCI runtime.
pub struct Oci {
    spec: Spec,
    settings: Settings,
    session: Arc<Session>,
    runtime: Arc<Runtime>,
    environment: Environment,
    /// Numbers the folders of prepared functions.
    next: AtomicU64,
}

impl Oci {
    /// Makes the folder of its sockets and containers, and sweeps those of processes that are gone.
    ///
    /// `spec` is resolved against [`SETTINGS`](crate::SETTINGS). `embedded` is the runtime of the calling binary, if
    /// it has one.
    ///
    /// # Errors
    /// [`Cause::Unavailable`] if this process is not root, if the runtime is missing, or if no folder can be made.
    pub fn open(spec: Spec, environment: &Environment, embedded: Option<Embedded>) -> Result<Self, Cause> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Cause::Unavailable(
                "a runtime without an engine needs root, as an engine does".into(),
            ));
        }
        if let Err(error) = session::sweep_folders() {
            tracing::warn!(%error, "the folders of earlier runs could not be listed");
        }
        crate::sweep();
        let session = Session::open(Access::Everybody)?;
        let runtime =
            Runtime::find(spec.get("runtime"), embedded, &state(&session)).map_err(Cause::Unavailable)?;
        if environment.guest_cpu.is_some()
            && let Err(error) = group::inherit_processors(&group::path(crate::NAME, &session.name))
        {
            tracing::warn!(%error, "the control group that gives containers their processor cannot be made");
        }
        let settings = Settings::of(&spec);
        let (session, runtime, environment) = (Arc::new(session), Arc::new(runtime), environment.clone());
        Ok(Self { spec, settings, session, runtime, environment, next: AtomicU64::new(0) })
    }

    /// The folder of its sockets and containers.
    pub fn session_folder(&self) -> &Path {
        self.session.folder()
    }

    fn make(&self, function: &Function, variant: Variant, laps: &mut Laps) -> Result<PreparedOci, Cause> {
        let source = source_of(function, variant).map_err(Cause::Artifact)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.session.folder();
        let folders = (folder.join(format!("root-{number}")), folder.join("node"));
        let rootfs = rootfs::make(function, (variant, source), self.settings, (folders.0, &folders.1), laps)?;
        let network = self.settings.shares_network.then(Netns::make).transpose();
        let network = network
            .map_err(|error| Cause::Unavailable(format!("no network namespace can be made: {error}")))?;
        laps.mark("network");
        let grants = function.grants();
        let outbound = (!grants.hosts.is_empty()).then(|| Arc::new(Outbound::new(grants, &self.environment)));
        let shared = Arc::new(Shared {
            session: Arc::clone(&self.session),
            runtime: Arc::clone(&self.runtime),
            state: state(&self.session),
            group: group::path(crate::NAME, &self.session.name),
            settings: self.settings,
            spec: self.spec.to_string(),
            name: function.name().to_owned(),
            limits: function.limits(),
            grants: grants.clone(),
            outbound,
            guest_cpu: self.environment.guest_cpu,
        });
        Ok(PreparedOci { shared, rootfs, network })
    }
}

fn state(session: &Session) -> PathBuf {
    session.folder().join("state")
}

#[async_trait]
impl Executor for Oci {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        source_of(function, variant)?;
        environment::check(function.grants())?;
        folders::check(&function.grants().folders)
    }

    fn versions(&self) -> Vec<(String, String)> {
        let runtime = (self.spec.get("runtime").to_owned(), self.runtime.version.clone());
        let node = Node::find().ok().map(|node| ("node-server".to_owned(), node.version.clone()));
        [runtime].into_iter().chain(node).collect()
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let made = self.make(function, variant, laps);
        made.map(|prepared| Arc::new(prepared) as Arc<dyn Prepared>)
            .map_err(|cause| Error::new(Phase::Prepare, &self.spec, function.name(), cause))
    }

    /// Removes the folder of its sockets and containers, and their control groups.
    async fn close(&self) -> Result<(), Error> {
        self.session.close();
        let around = group::path(crate::NAME, &self.session.name);
        for root in hierarchy::roots() {
            group::remove_all(&root.join(&around));
        }
        Ok(())
    }
}

/// The file that a variant is made from; a reason if a container cannot run it.
fn source_of(function: &Function, variant: Variant) -> Result<&Path, String> {
    let source = function.source(variant).ok_or_else(|| format!("it has no variant `{variant}`"))?;
    let obstacle = match variant {
        Variant::Rust => None,
        Variant::Js => Node::find().err(),
        Variant::Module => Some("a container runs servers, and a Wasm module is not one"),
        Variant::Command => Some("a container runs servers, and a WASI command is not one"),
    };
    obstacle.map_or(Ok(source), |reason| Err(reason.to_owned()))
}
