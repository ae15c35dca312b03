//! The executor: from a function's variant to something that can be started.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use deno_core::v8;
use isolab_core::cache::digest;
use isolab_core::guest::{self, Target};
use isolab_core::{
    Artifact, Cache, Cause, Environment, Error, Executor, Function, Laps, Limits, Phase, Prepared, Spec,
    Variant,
};

use crate::handler::snapshot;
use crate::handler::{self, Origin, PreparedHandler};
use crate::isolate::watchdog::Watchdog;
use crate::module::PreparedModule;
use crate::platform;

/// Runs functions in V8 isolates.
pub struct V8 {
    spec: Spec,
    cache: Cache,
    dog: Arc<Watchdog>,
}

/// The executor and the function that an error names.
#[derive(Clone)]
pub(crate) struct Label {
    executor: Arc<str>,
    function: Arc<str>,
}

impl Label {
    pub(crate) fn new(executor: &str, function: &str) -> Self {
        Self { executor: executor.into(), function: function.into() }
    }

    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.executor, &self.function, cause)
    }
}

impl V8 {
    /// Opens the executor with a resolved spec, and starts V8 if it does not run in this
    /// process yet.
    ///
    /// In a process that has another Wasm engine too, this one must be opened first: the
    /// signal handler of V8 passes on no signal that is not its own.
    ///
    /// # Errors
    /// If the thread that enforces deadlines cannot be started.
    ///
    /// # Panics
    /// When used, if `spec` was not resolved against [`crate::SETTINGS`].
    pub fn open(spec: Spec, environment: &Environment) -> Result<Self, Error> {
        platform::initialise();
        let dog = Watchdog::start().map_err(|error| {
            let cause = Cause::Unavailable(format!("no thread for deadlines: {error}"));
            Error::new(Phase::Prepare, &spec, "*", cause).hint("raise the limit of processes (`ulimit -u`)")
        })?;
        Ok(Self { spec, cache: environment.cache.clone(), dog })
    }

    fn prepare_handler(
        &self,
        label: Label,
        function: &Function,
        path: &Path,
        laps: &mut Laps,
    ) -> Result<PreparedHandler, Cause> {
        let source = String::from_utf8(read(path)?)
            .map_err(|_| Cause::Artifact(format!("{} is not UTF-8", path.display())))?;
        laps.mark("read");
        let source_digest = digest([source.as_bytes()]);
        let limits = function.limits();
        let prepared = if self.spec.get("snapshot") == "on" {
            let (blob, cached) = snapshot::load_or_make(&self.cache, &source, limits, &self.dog)
                .map_err(|cause| self.with_stack(cause, &label, &source, limits))?;
            let artifact = Artifact { kind: "snapshot", source_digest, bytes: blob.len() as u64, cached };
            let origin = Origin::Snapshot(Arc::new(blob));
            PreparedHandler { label, origin, limits, dog: self.dog.clone(), artifact }
        } else {
            PreparedHandler::from_source(label, source, limits, &self.dog)
        };
        laps.mark(prepared.artifact.kind);
        handler::try_start(&prepared)?;
        laps.mark("try");
        Ok(prepared)
    }

    /// The same failure as an isolate without a snapshot tells it: where snapshots are
    /// made, V8 records no stacks.
    fn with_stack(&self, cause: Cause, label: &Label, source: &str, limits: Limits) -> Cause {
        if !matches!(cause, Cause::Artifact(_)) {
            return cause;
        }
        let plain = PreparedHandler::from_source(label.clone(), source.to_owned(), limits, &self.dog);
        handler::try_start(&plain).err().unwrap_or(cause)
    }

    fn prepare_module(
        &self,
        label: Label,
        function: &Function,
        manifest: &Path,
        laps: &mut Laps,
    ) -> Result<PreparedModule, Cause> {
        let path =
            guest::build(manifest, Target::Wasm).map_err(|error| Cause::Artifact(error.to_string()))?;
        laps.mark("build");
        let module = read(&path)?;
        let source_digest = digest([module.as_slice()]);
        PreparedModule::new(label, &module, function.limits(), &self.dog, source_digest, laps)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    std::fs::read(path).map_err(|error| Cause::Artifact(format!("{}: {error}", path.display())))
}

#[async_trait]
impl Executor for V8 {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        if variant == Variant::Command {
            return Err("`v8` runs functions and no WASI commands".into());
        }
        let found = function.source(variant).map(|_| ());
        found.ok_or_else(|| format!("`{}` has no variant `{variant}`", function.name()))
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("v8".into(), v8::V8::get_version().into()), ("v8-flags".into(), platform::FLAGS.into())]
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let label = Label::new(&self.spec.to_string(), function.name());
        let failed = |cause| label.error(Phase::Prepare, cause);
        self.supports(function, variant).map_err(|reason| failed(Cause::Artifact(reason)))?;
        let path = function.source(variant).ok_or_else(|| failed(Cause::Artifact("no source".into())))?;
        let prepared: Result<Arc<dyn Prepared>, Cause> = match variant {
            Variant::Js => {
                let prepared = self.prepare_handler(label.clone(), function, path, laps);
                prepared.map(|prepared| Arc::new(prepared) as _)
            }
            Variant::Rust | Variant::Command => {
                let prepared = self.prepare_module(label.clone(), function, path, laps);
                prepared.map(|prepared| Arc::new(prepared) as _)
            }
        };
        prepared.map_err(failed)
    }
}
