//! The executor: its session, and the variants that it supports.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use isolab_core::cache::digest;
use isolab_core::{
    Artifact, Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant,
};
use isolab_guest::files;
use isolab_guest::session::{self, Access, Session};
use isolab_outbound::Outbound;

use crate::prepared::PreparedForeign;
use crate::program::Program;
use crate::runtime::{Runtime, Source};
use crate::shared::Shared;

/// Processes of a foreign runtime.
pub struct Foreign {
    runtime: &'static Runtime,
    spec: Spec,
    program: Program,
    session: Arc<Session>,
    environment: Environment,
    /// Numbers the folders of prepared functions.
    next: AtomicU64,
}

impl Foreign {
    /// Finds the program, makes the folder of its sockets, and sweeps those of processes that are gone.
    ///
    /// `spec` is resolved against [`SETTINGS`](crate::SETTINGS).
    ///
    /// # Errors
    /// [`Cause::Unavailable`] if the program is missing, or if its folder cannot be made.
    pub fn open(runtime: &'static Runtime, spec: Spec, environment: &Environment) -> Result<Self, Cause> {
        if let Err(error) = session::sweep_folders() {
            tracing::warn!(%error, "the folders of earlier runs could not be listed");
        }
        let session = Session::open(Access::Everybody)?;
        let program = Program::find(runtime.name, session.folder())?;
        let (session, environment) = (Arc::new(session), environment.clone());
        Ok(Self { runtime, spec, program, session, environment, next: AtomicU64::new(0) })
    }

    fn make(&self, function: &Function, variant: Variant, laps: &mut Laps) -> Result<PreparedForeign, Cause> {
        let source = source_of(function, variant).map_err(Cause::Artifact)?;
        let (handler, folder) = (files::read(source)?, self.folder());
        let (program, limits, grants) = (&self.program.path, function.limits(), function.grants());
        let bytes = (self.runtime.lay_out)(&Source { program, handler: &handler, limits, folder: &folder })?;
        laps.mark("files");
        let artifact = Artifact {
            kind: self.runtime.kind,
            source_digest: digest([handler.as_slice()]),
            bytes: bytes as u64,
            cached: false,
        };
        let outbound = (!grants.hosts.is_empty()).then(|| Arc::new(Outbound::new(grants, &self.environment)));
        let shared = Arc::new(Shared {
            runtime: self.runtime,
            program: program.clone(),
            session: Arc::clone(&self.session),
            folder,
            concurrency: self.spec.number("concurrency"),
            spec: self.spec.to_string(),
            name: function.name().to_owned(),
            limits,
            grants: grants.clone(),
            outbound,
            guest_cpu: self.environment.guest_cpu,
        });
        Ok(PreparedForeign { shared, artifact })
    }

    /// A new name for the folder of a prepared function.
    fn folder(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.session.folder().join(format!("function-{number}"))
    }
}

#[async_trait]
impl Executor for Foreign {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        source_of(function, variant)?;
        function.grants().only(self.runtime.granted, self.runtime.name)
    }

    fn versions(&self) -> Vec<(String, String)> {
        self.program.versions.clone()
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

    /// Removes the folder of its sockets and functions.
    async fn close(&self) -> Result<(), Error> {
        self.session.close();
        Ok(())
    }
}

/// The file of a handler; a reason if the variant is another one.
fn source_of(function: &Function, variant: Variant) -> Result<&Path, String> {
    let source = function.source(variant).ok_or_else(|| format!("it has no variant `{variant}`"))?;
    match variant {
        Variant::Js => Ok(source),
        _ => Err("a foreign runtime runs handlers in JavaScript, and this is another variant".to_owned()),
    }
}
