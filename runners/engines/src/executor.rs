//! The executor of any engine: makes a variant ready to be started.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::function::Grant;
use isolab_core::wasi::Granted;
use isolab_core::{
    Artifact, Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant, binary,
};

use crate::engine::Engine;
use crate::instance::{PreparedModule, Rules};
use crate::source;

/// Runs functions in instances of an engine.
pub(crate) struct EngineExecutor<E> {
    spec: Spec,
    environment: Environment,
    engine: E,
}

impl<E: Engine> EngineExecutor<E> {
    pub(crate) fn new(spec: Spec, environment: &Environment, engine: E) -> Self {
        Self { spec, environment: environment.clone(), engine }
    }
}

impl<E: Engine + Clone> EngineExecutor<E> {
    fn make(
        &self,
        rules: Rules,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<PreparedModule<E>, Cause> {
        self.supports(function, variant).map_err(Cause::Artifact)?;
        let source = source::of(function, variant, self.engine.form(&self.spec), &self.environment)?;
        laps.mark("build");
        let limited = binary::set_limits(&source.wasm, rules.limits.memory_bytes).map_err(Cause::Artifact)?;
        let module = self.engine.compile(&limited)?;
        laps.mark("compile");
        let artifact = Artifact {
            kind: E::KIND,
            source_digest: source.digest,
            bytes: source.wasm.len() as u64,
            cached: false,
        };
        let granted = Granted::of(function.name(), function.grants());
        let prepared = PreparedModule::new(self.engine.clone(), module, (rules, granted), artifact);
        // Finds errors of the module before the first request.
        prepared.try_start().map_err(as_artifact)?;
        laps.mark("try");
        Ok(prepared)
    }
}

/// A module that fails at its first start makes no artifact.
fn as_artifact(cause: Cause) -> Cause {
    match cause {
        Cause::Trapped(text) => Cause::Artifact(text),
        cause => cause,
    }
}

#[async_trait]
impl<E: Engine + Clone> Executor for EngineExecutor<E> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        source::supports(variant)?;
        let source = function.source(variant);
        let source = source.ok_or_else(|| format!("`{}` has no variant `{variant}`", function.name()))?;
        self.engine.supports(variant, source)?;
        let honoured: &[Grant] = match variant {
            Variant::Rust | Variant::Module => &[Grant::Args, Grant::Env],
            Variant::Js | Variant::Command => &[],
        };
        function.grants().only(honoured, self.spec.name())
    }

    fn versions(&self) -> Vec<(String, String)> {
        let (name, version) = self.engine.version();
        vec![(name.into(), version.into())]
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let rules = Rules::new(&self.spec, function);
        let made = self.make(rules.clone(), function, variant, laps);
        made.map(|prepared| Arc::new(prepared) as _).map_err(|cause| rules.error(Phase::Prepare, cause))
    }
}
