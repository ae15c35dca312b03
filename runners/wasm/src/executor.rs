//! The executor: makes a variant ready to be started.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::function::Grant;
use isolab_core::guest::Form;
use isolab_core::wasi::Granted;
use isolab_core::{
    Artifact, Cause, Environment, Error, Executor, Function, Laps, Limits, Phase, Prepared, Spec, Variant,
};

use crate::command::PreparedCommand;
use crate::engine::{self, Reset};
use crate::function::PreparedFunction;
use crate::initialize;
use crate::parts::Parts;
use crate::rules::Rules;
use crate::setup::Setup;
use crate::snapshot;
use crate::ticker::Ticker;
use crate::wasi::WasiHost;
use crate::workshop::Workshop;

/// Runs functions in Wasmtime instances.
pub struct Wasm {
    spec: Spec,
    /// One for each way of resetting in the spec.
    workshops: Vec<Workshop>,
    ticker: Arc<Ticker>,
    environment: Environment,
}

impl Wasm {
    /// Opens the engines and reserves the memory of all instances.
    ///
    /// # Errors
    /// [`Cause::Unavailable`] if an engine cannot be opened on this machine, or if settings exclude each other.
    ///
    /// # Panics
    /// If `spec` was not resolved against [`crate::SETTINGS`].
    pub fn open(spec: Spec, environment: &Environment) -> Result<Self, Error> {
        if let Some(reason) = engine::conflict(&spec) {
            return Err(Error::new(Phase::Prepare, &spec, "*", Cause::Unavailable(reason.into())));
        }
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
        Ok(Self { spec, workshops, ticker, environment: environment.clone() })
    }

    /// The workshop for a module.
    fn workshop(&self, wasm: &[u8]) -> &Workshop {
        let reset = engine::reset(&self.spec, wasm);
        let found = self.workshops.iter().find(|workshop| workshop.reset == reset);
        found.expect("every way of resetting in the spec has a workshop")
    }

    /// Fails if a memory has fewer addresses than it may have bytes.
    fn check_addresses(&self, limits: Limits) -> Result<(), Cause> {
        let instances = self.environment.max_instances;
        match engine::memory_addresses(&self.spec, instances) {
            Some(bytes) if bytes < limits.memory_bytes => Err(Cause::Unavailable(format!(
                "a pool for {instances} instances has {bytes} bytes of addresses for the memory of each, and the \
                 function may have {}: allow fewer instances, or less memory",
                limits.memory_bytes
            ))),
            _ => Ok(()),
        }
    }

    fn make(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let ticker = Arc::clone(&self.ticker);
        let rules = Rules::new(self.spec.to_string(), function.name(), function.limits(), ticker);
        let rules = Arc::new(rules.granting(function.grants(), &self.environment)?);
        let fail = |cause| rules.error(Phase::Prepare, cause);
        self.check_addresses(rules.limits).map_err(fail)?;
        let form = Form::of(&self.spec);
        let Parts { mut wasm, input, digest: source_digest } =
            Parts::of(function, variant, form).map_err(fail)?;
        laps.mark("build");
        let wasi = WasiHost::of(&wasm, !rules.folders.is_empty());
        // A command runs once from its beginning to its end. An initialisation that may open files is work
        // of each start, because a snapshot has no open files.
        let is_initialized = variant != Variant::Command && initialize::is_exported(&wasm);
        if is_initialized && wasi == WasiHost::Light && self.spec.get("snapshot") == "on" {
            wasm = snapshot::snapshot(self.workshop(&wasm), &wasm, &input, &rules)?;
            laps.mark("snapshot");
        }
        let workshop = self.workshop(&wasm);
        let compiled = workshop.compile(&wasm).map_err(fail)?;
        laps.mark(if compiled.cached { "load" } else { "compile" });
        let setup = Setup::of(&compiled.module, wasi, (variant == Variant::Js).then_some(&*input));
        let artifact = Artifact {
            kind: setup.artifact_kind(),
            source_digest,
            bytes: compiled.bytes,
            cached: compiled.cached,
        };
        let link = |setup| workshop.link(&compiled.module, Arc::clone(&rules), setup).map_err(fail);
        let linked = link(setup)?;
        if variant == Variant::Command {
            let command = PreparedCommand::new(linked, artifact).map_err(fail)?;
            laps.mark("link");
            return Ok(Arc::new(command));
        }
        let prepare = |linked| PreparedFunction::new(linked, artifact.clone(), input.clone()).map_err(fail);
        let function = prepare(linked)?;
        laps.mark("link");
        if function.initializes() && wasi == WasiHost::Light {
            prepare(link(Setup::STRAIGHT)?)?.try_start()?;
            laps.mark("try");
        }
        Ok(Arc::new(function))
    }
}

#[async_trait]
impl Executor for Wasm {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        let there = function.source(variant).map(|_| ());
        there.ok_or_else(|| format!("`{}` has no variant `{variant}`", function.name()))?;
        let honoured: &[Grant] = match variant {
            Variant::Rust | Variant::Module => &[Grant::Args, Grant::Env, Grant::Folders, Grant::Hosts],
            Variant::Command => &[Grant::Args, Grant::Env, Grant::Folders],
            Variant::Js => &[],
        };
        function.grants().only(honoured, "wasm")
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

/// The module that this executor runs for a variant, for another engine.
pub struct Source {
    /// The module, in its initialised state if the function has an initialisation.
    pub wasm: Vec<u8>,
    /// The digest of the handler, or else of the module before its initialisation.
    pub digest: String,
}

/// Builds or reads the module of a variant. A snapshot is made at most once, and shared with this
/// executor through the cache.
///
/// # Errors
/// If the module cannot be built, or the function cannot be initialised.
pub fn source(
    function: &Function,
    variant: Variant,
    form: Form,
    environment: &Environment,
) -> Result<Source, Cause> {
    let Parts { wasm, input, digest } = Parts::of(function, variant, form)?;
    if !initialize::is_exported(&wasm) {
        return Ok(Source { wasm, digest });
    }
    let granted = Granted::of(function.name(), function.grants());
    if let Some(wasm) = snapshot::find(&environment.cache, &wasm, &input, &granted) {
        return Ok(Source { wasm, digest });
    }
    // Without a pool, the engine takes no memory that outlives the snapshot.
    let spec = Spec::parse("wasm:allocator=ondemand").and_then(|spec| spec.resolve(crate::SETTINGS));
    let spec = spec.expect("it is a spec of this executor");
    let executor = Wasm::open(spec, environment).map_err(|error| error.cause)?;
    let (name, ticker) = (executor.spec.to_string(), Arc::clone(&executor.ticker));
    let rules = Rules::new(name, function.name(), function.limits(), ticker);
    let rules = rules.granting(function.grants(), environment).map_err(|error| error.cause)?;
    let rules = Arc::new(rules);
    let made = snapshot::snapshot(executor.workshop(&wasm), &wasm, &input, &rules);
    Ok(Source { wasm: made.map_err(|error| error.cause)?, digest })
}
