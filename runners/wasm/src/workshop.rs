//! Compiles and links modules.

use std::sync::{Arc, OnceLock};

use isolab_core::{Cache, Cause, Environment, Spec};
use wasmtime::{Engine, Linker, Module};

use crate::compiled::{self, Compiled};
use crate::engine::{self, Reset};
use crate::exchanges;
use crate::full;
use crate::host::Host;
use crate::outbound;
use crate::rules::Rules;
use crate::sandbox::Linked;
use crate::setup::Setup;
use crate::streaming;
use crate::waiting::{SLICE_TICKS, Way};
use crate::wasi::{self, WasiHost};

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
    /// For instances of the full host, made for the first of them.
    full: OnceLock<Linker<Host>>,
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
        let (cache, full) = (environment.cache.clone(), OnceLock::new());
        Ok(Self { reset, engine, cache, straight, waiting, streaming, full })
    }

    /// The machine code of a module.
    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Compiled, Cause> {
        compiled::compile(&self.engine, &self.cache, wasm)
    }

    /// Resolves the imports of a module whose instances run in this way. Any module can run
    /// straight: it then sleeps on its thread, and has no files.
    pub(crate) fn link(&self, module: &Module, rules: Arc<Rules>, setup: Setup) -> Result<Linked, Cause> {
        let mut linker = match (setup.wasi, setup.way) {
            (WasiHost::Full, _) => self.full()?.clone(),
            (WasiHost::Light, Way::Straight) => self.straight.clone(),
            (WasiHost::Light, Way::Waiting) => self.waiting.clone(),
            (WasiHost::Light, Way::Streaming) => self.streaming.clone(),
        };
        wasi::check_imports(module)?;
        if setup.wasi == WasiHost::Light {
            wasi::link_rest(&mut linker, module)?;
        }
        if exchanges::is_imported(module) {
            let defined = match setup.way {
                Way::Straight => outbound::link_refusing(&mut linker),
                Way::Waiting | Way::Streaming => outbound::link(&mut linker, &rules.outbound),
            };
            defined.map_err(|error| Cause::Internal(format!("{error:#}")))?;
        }
        let pre = linker
            .instantiate_pre(module)
            .map_err(|error| Cause::Artifact(format!("the module cannot be linked: {error:#}")))?;
        Ok(Linked { pre, rules, setup })
    }

    fn full(&self) -> Result<&Linker<Host>, Cause> {
        if let Some(linker) = self.full.get() {
            return Ok(linker);
        }
        let mut linker = Linker::new(&self.engine);
        full::link(&mut linker, Host::full).map_err(|error| Cause::Internal(format!("{error:#}")))?;
        Ok(self.full.get_or_init(|| linker))
    }
}
