//! Compiles and links modules.

use std::sync::Arc;

use isolab_core::{Cache, Cause, Environment, Spec};
use wasmtime::{Engine, Linker, Module};

use crate::compiled::{self, Compiled};
use crate::engine::{self, Reset};
use crate::exchanges;
use crate::host::Host;
use crate::outbound;
use crate::rules::Rules;
use crate::sandbox::Linked;
use crate::streaming;
use crate::waiting::{SLICE_TICKS, Way};
use crate::wasi;

/// An engine with one way of resetting memory, and the functions that its guests may import.
pub(crate) struct Workshop {
    pub(crate) reset: Reset,
    pub(crate) engine: Engine,
    pub(crate) cache: Cache,
    /// For instances that run straight.
    straight: Linker<Host>,
    /// For instances that can wait.
    waiting: Linker<Host>,
    /// For instances whose bodies flow.
    streaming: Linker<Host>,
}

impl Workshop {
    pub(crate) fn new(spec: &Spec, reset: Reset, environment: &Environment) -> wasmtime::Result<Self> {
        let engine = Engine::new(&engine::config(spec, reset, environment.max_instances))?;
        let mut straight = Linker::new(&engine);
        wasi::link(&mut straight)?;
        let mut waiting = straight.clone();
        wasi::link_waiting(&mut waiting, SLICE_TICKS)?;
        let mut streaming = waiting.clone();
        streaming::link(&mut streaming)?;
        Ok(Self { reset, engine, cache: environment.cache.clone(), straight, waiting, streaming })
    }

    /// The machine code of a module.
    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Compiled, Cause> {
        compiled::compile(&self.engine, &self.cache, wasm)
    }

    /// Resolves the imports of a module whose instances run in this way. Any module can run
    /// straight: it then sleeps on its thread.
    pub(crate) fn link(&self, module: &Module, rules: Arc<Rules>, way: Way) -> Result<Linked, Cause> {
        let mut linker = match way {
            Way::Straight => self.straight.clone(),
            Way::Waiting => self.waiting.clone(),
            Way::Streaming => self.streaming.clone(),
        };
        wasi::link_rest(&mut linker, module)?;
        if exchanges::is_imported(module) {
            let defined = match way {
                Way::Straight => outbound::link_refusing(&mut linker),
                Way::Waiting | Way::Streaming => outbound::link(&mut linker, &rules.outbound),
            };
            defined.map_err(|error| Cause::Internal(format!("{error:#}")))?;
        }
        let pre = linker
            .instantiate_pre(module)
            .map_err(|error| Cause::Artifact(format!("the module cannot be linked: {error:#}")))?;
        Ok(Linked { pre, rules, way })
    }
}
