//! Compiles and links modules.

use std::sync::Arc;

use isolab_core::{Cache, Cause, Environment, Spec};
use wasmtime::{Engine, Linker, Module};

use crate::compiled::{self, Compiled};
use crate::engine::{self, Reset};
use crate::host::Host;
use crate::sandbox::{Linked, Rules};
use crate::wasi;

/// An engine with one way of resetting memory, and the functions that its guests may import.
pub(crate) struct Workshop {
    pub(crate) reset: Reset,
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

    /// The machine code of a module.
    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Compiled, Cause> {
        compiled::compile(&self.engine, &self.cache, wasm)
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
