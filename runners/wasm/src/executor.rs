//! The executor itself: from a variant to something that can be started.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{
    Artifact, Cache, Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant,
};
use wasmtime::{Engine, Linker, Module};

use crate::command::PreparedCommand;
use crate::compiled;
use crate::engine::{self, Reset};
use crate::function::PreparedFunction;
use crate::host::Host;
use crate::sandbox::{Linked, Rules};
use crate::snapshot;
use crate::source::Source;
use crate::ticker::Ticker;
use crate::wasi;

/// Runs functions in Wasmtime instances.
pub struct Wasm {
    spec: Spec,
    /// One for each way of resetting that the spec asks for.
    workshops: Vec<Workshop>,
    ticker: Arc<Ticker>,
}

/// What modules are compiled and linked with.
pub(crate) struct Workshop {
    reset: Reset,
    pub(crate) engine: Engine,
    pub(crate) cache: Cache,
    linker: Linker<Host>,
}

impl Workshop {
    pub(crate) fn new(spec: &Spec, reset: Reset, environment: &Environment) -> wasmtime::Result<Self> {
        let engine = Engine::new(&engine::config(spec, reset, environment.max_instances))?;
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker)?;
        Ok(Self { reset, engine, cache: environment.cache.clone(), linker })
    }

    /// Resolves a module's imports.
    pub(crate) fn link(&self, module: &Module, rules: Arc<Rules>) -> Result<Linked, Cause> {
        let mut linker = self.linker.clone();
        wasi::link_rest(&mut linker, module)?;
        let pre = linker
            .instantiate_pre(module)
            .map_err(|error| Cause::Artifact(format!("the module cannot be linked: {error:#}")))?;
        Ok(Linked { pre, rules })
    }
}

impl Wasm {
    /// Sets the engines up, and reserves the memory of all instances.
    ///
    /// # Errors
    /// If an engine does not come up here: [`Cause::Unavailable`].
    ///
    /// # Panics
    /// If `spec` was not resolved against [`crate::SETTINGS`].
    pub fn open(spec: Spec, environment: &Environment) -> Result<Self, Error> {
        let unavailable = |reason: String| {
            Error::new(Phase::Prepare, &spec, "*", Cause::Unavailable(reason))
                .hint("fewer instances need less address space; `allocator=ondemand` reserves none")
        };
        let set_up = || -> wasmtime::Result<_> {
            let open = |reset: &Reset| Workshop::new(&spec, *reset, environment);
            let workshops = engine::resets(&spec).iter().map(open).collect::<wasmtime::Result<Vec<_>>>()?;
            let ticker = Ticker::start(workshops.iter().map(|workshop| workshop.engine.clone()).collect())?;
            Ok((workshops, Arc::new(ticker)))
        };
        let (workshops, ticker) = set_up().map_err(|error| unavailable(format!("{error:#}")))?;
        Ok(Self { spec, workshops, ticker })
    }

    /// The workshop for a module.
    fn workshop(&self, wasm: &[u8]) -> &Workshop {
        let reset = engine::reset(&self.spec, wasm);
        let found = self.workshops.iter().find(|workshop| workshop.reset == reset);
        found.expect("every way of resetting that the spec asks for has a workshop")
    }

    fn make(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let ticker = Arc::clone(&self.ticker);
        let rules = Arc::new(Rules::new(self.spec.to_string(), function.name(), function.limits(), ticker));
        let fail = |cause| rules.error(Phase::Prepare, cause);
        let source = Source::of(function, variant).map_err(fail)?;
        laps.mark("build");
        let wasm = match source.handler {
            None => source.wasm,
            Some(handler) => {
                let wasm = snapshot::snapshot(self.workshop(&source.wasm), &source.wasm, &handler, &rules)?;
                laps.mark("snapshot");
                wasm
            }
        };
        let workshop = self.workshop(&wasm);
        let compiled = compiled::compile(&workshop.engine, &workshop.cache, &wasm).map_err(fail)?;
        laps.mark(if compiled.cached { "load" } else { "compile" });
        let artifact = Artifact {
            kind: "compiled module",
            source_digest: source.digest,
            bytes: compiled.bytes,
            cached: compiled.cached,
        };
        let linked = workshop.link(&compiled.module, Arc::clone(&rules)).map_err(fail)?;
        let prepared: Arc<dyn Prepared> = match variant {
            Variant::Command => Arc::new(PreparedCommand::new(linked, artifact).map_err(fail)?),
            Variant::Rust | Variant::Js => Arc::new(PreparedFunction::new(linked, artifact).map_err(fail)?),
        };
        laps.mark("link");
        Ok(prepared)
    }
}

#[async_trait]
impl Executor for Wasm {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        let there = function.source(variant).map(|_| ());
        there.ok_or_else(|| format!("`{}` has no variant `{variant}`", function.name()))
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![
            ("wasmtime".into(), env!("WASMTIME_VERSION").into()),
            ("wasmtime-wizer".into(), env!("WASMTIME_WIZER_VERSION").into()),
        ]
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        self.make(function, variant, laps)
    }
}
