//! The executor: its session, and the variants that it supports.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use isolab_core::function::{Grant, Grants};
use isolab_core::{
    Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant, binary,
};
use isolab_guest::environment;
use isolab_guest::javascript::Javascript;
use isolab_guest::node::Node;
use isolab_guest::session::{self, Access, Session};
use isolab_guest::v8::{self, MISSING, V8Server};
use isolab_outbound::Outbound;

use crate::artifact::{self, Means};
use crate::confine::Confinement;
use crate::prepared::PreparedProcess;
use crate::settings::{Sandbox, Settings, Spawn};
use crate::shared::Shared;
use crate::wasm2c::{VECTORS, Wasm2c};

/// The reason for a variant that cannot be forked.
const THREADS: &str = "`spawn=fork` copies one thread of a process, and a server of `js` has several";

/// The reason for a handler.
const VECTORS_OF_JS: &str =
    "the JavaScript engine's module has vector instructions, which wasm2c does not know";

/// Plain processes.
pub struct Process {
    spec: Spec,
    settings: Settings,
    session: Arc<Session>,
    confinement: Arc<Confinement>,
    environment: Environment,
    v8: Option<V8Server>,
    /// With `sandbox=wasm2c`.
    wasm2c: Option<Wasm2c>,
    /// Numbers the folders of prepared functions.
    next: AtomicU64,
}

impl Process {
    /// Makes the folder of its sockets, and sweeps those of processes that are gone.
    ///
    /// `spec` is resolved against [`SETTINGS`](crate::SETTINGS).
    ///
    /// # Errors
    /// [`Cause::Unavailable`] if no folder can be made, if this host cannot draw the line of `confine`, or if
    /// it lacks the programs of `sandbox=wasm2c`.
    pub fn open(spec: Spec, environment: &Environment) -> Result<Self, Cause> {
        if let Err(error) = session::sweep_folders() {
            tracing::warn!(%error, "the folders of earlier runs could not be listed");
        }
        let session = Session::open(Access::Everybody)?;
        let settings = Settings::of(&spec);
        let confinement = Arc::new(Confinement::open(spec.get("confine"), &session.name)?);
        if settings.spawn == Spawn::Fork {
            let checked = confinement.check_fork();
            checked.map_err(|reason| Cause::Unavailable(format!("`spawn=fork`: {reason}")))?;
        }
        let wasm2c = match settings.sandbox {
            Sandbox::None => None,
            Sandbox::Wasm2c => Some(wasm2c(settings.concurrency).map_err(Cause::Unavailable)?),
        };
        let (session, environment) = (Arc::new(session), environment.clone());
        let next = AtomicU64::new(0);
        Ok(Self { spec, settings, session, confinement, environment, v8: None, wasm2c, next })
    }

    /// With a server for `javascript=v8`.
    #[must_use]
    pub fn with_v8(mut self, server: V8Server) -> Self {
        self.v8 = Some(server);
        self
    }

    /// The file that a variant is made from; a reason if a process cannot run it.
    fn source_of<'a>(&self, function: &'a Function, variant: Variant) -> Result<&'a Path, String> {
        let source = function.source(variant).ok_or_else(|| format!("it has no variant `{variant}`"))?;
        let Settings { javascript, spawn, .. } = self.settings;
        let obstacle = match (variant, javascript) {
            (Variant::Js, _) if self.wasm2c.is_some() => Some(VECTORS_OF_JS),
            (Variant::Module, _) if self.wasm2c.is_some() => {
                let wasm = std::fs::read(source).unwrap_or_default();
                binary::needs_vectors(&wasm).then_some(VECTORS)
            }
            (Variant::Rust, _) => None,
            (Variant::Js, _) if spawn == Spawn::Fork => Some(THREADS),
            (Variant::Js, Javascript::Node) => Node::find().err(),
            (Variant::Js, Javascript::V8) => self.v8.is_none().then_some(MISSING),
            (Variant::Module, _) => Some("a process runs servers, and a Wasm module is not one"),
            (Variant::Command, _) => Some("a process runs servers, and a WASI command is not one"),
        };
        obstacle.map_or(Ok(source), |reason| Err(reason.to_owned()))
    }

    async fn make(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<PreparedProcess, Cause> {
        let source = self.source_of(function, variant).map_err(Cause::Artifact)?;
        let server = artifact::make(function, (variant, source), self.means(), &self.folder(), laps)?;
        laps.mark("files");
        let grants = function.grants();
        let outbound = (!grants.hosts.is_empty()).then(|| Arc::new(Outbound::new(grants, &self.environment)));
        let shared = Arc::new(Shared {
            session: Arc::clone(&self.session),
            confinement: Arc::clone(&self.confinement),
            settings: self.settings,
            spec: self.spec.to_string(),
            name: function.name().to_owned(),
            limits: function.limits(),
            grants: grants.clone(),
            outbound,
            guest_cpu: self.environment.guest_cpu,
        });
        PreparedProcess::new(shared, server, laps).await
    }

    fn means(&self) -> Means<'_> {
        let (v8, wasm2c) = (self.v8.as_ref(), self.wasm2c.as_ref());
        Means { settings: self.settings, v8, wasm2c, cache: &self.environment.cache }
    }

    /// Fails if a process cannot honour a grant, with the reason as a sentence without a full stop.
    fn check(&self, grants: &Grants, variant: Variant) -> Result<(), String> {
        self.confinement.check_folders(&grants.folders)?;
        if self.wasm2c.is_some() {
            grants.only(&[Grant::Env, Grant::Args], "process:sandbox=wasm2c")?;
        }
        if (variant, self.settings.javascript) == (Variant::Js, Javascript::V8) {
            v8::check(grants, crate::NAME)?;
        }
        environment::check(grants)
    }

    /// A new name for the folder of a prepared function.
    fn folder(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.session.folder().join(format!("server-{number}"))
    }
}

#[async_trait]
impl Executor for Process {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        self.source_of(function, variant)?;
        self.check(function.grants(), variant)
    }

    fn versions(&self) -> Vec<(String, String)> {
        let server = match self.settings.javascript {
            Javascript::Node => {
                Node::find().ok().map(|node| ("node-server".to_owned(), node.version.clone()))
            }
            Javascript::V8 => self.v8.as_ref().map(|v8| ("v8-server".to_owned(), v8.version.clone())),
        };
        let wasm2c = self.wasm2c.iter().flat_map(|wasm2c| wasm2c.versions.clone());
        server.into_iter().chain(self.confinement.version()).chain(wasm2c).collect()
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let made = self.make(function, variant, laps).await;
        made.map(|prepared| Arc::new(prepared) as Arc<dyn Prepared>)
            .map_err(|cause| Error::new(Phase::Prepare, &self.spec, function.name(), cause))
    }

    /// Removes the folder of its sockets and servers.
    async fn close(&self) -> Result<(), Error> {
        self.session.close();
        Ok(())
    }
}

/// Looks for the programs of `sandbox=wasm2c`.
fn wasm2c(concurrency: u64) -> Result<Wasm2c, String> {
    if concurrency > 1 {
        return Err(
            "`sandbox=wasm2c` has one memory, which answers one request at a time: leave `concurrency` at 1"
                .into(),
        );
    }
    Wasm2c::find().map_err(|reason| format!("`sandbox=wasm2c`: {reason}"))
}
