//! A JavaScript handler, evaluated before the first instance: the engine module runs
//! once, is given the handler's source where a request would go and evaluates it, and
//! what its memory then holds becomes the data of a new module.

use std::sync::Arc;

use futures_util::FutureExt;
use isolab_core::{Cause, Error, Laps, Phase, cache};
use wasmtime::{Memory, Store, TypedFunc};
use wasmtime_wizer::{WasmtimeWizer, Wizer};

use crate::compiled;
use crate::executor::Workshop;
use crate::fault::Failure;
use crate::host::Host;
use crate::sandbox::{Linked, Rules, Sandbox, function_export, memory_export};
use crate::wasi::Stdout;

const KIND: &str = "wasm-snapshot";

/// The engine's export that takes the source, and evaluates it.
const EVALUATE: &str = "wizer-initialize";

/// The engine's module with the handler in it, from the cache or made now.
pub(crate) fn snapshot(
    workshop: &Workshop,
    engine_wasm: &[u8],
    handler: &[u8],
    rules: &Arc<Rules>,
) -> Result<Vec<u8>, Error> {
    let version = env!("WASMTIME_WIZER_VERSION");
    let key = cache::digest([engine_wasm, handler, version.as_bytes()]);
    if let Some(wasm) = workshop.cache.load(KIND, &key) {
        return Ok(wasm);
    }
    let internal = |error: wasmtime::Error| {
        rules.error(Phase::Prepare, Cause::Internal(format!("no snapshot can be made: {error:#}")))
    };
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(engine_wasm).map_err(internal)?;
    let Sandbox { mut store, instance, .. } = evaluate(workshop, &instrumented, handler, rules)?;
    let mut state = WasmtimeWizer { store: &mut store, instance };
    // Asynchronous for stores that are; this one is not, and no reading of it waits.
    let wasm = wizer.snapshot(&context, &mut state).now_or_never();
    let wasm = wasm.expect("reading a synchronous store never waits").map_err(internal)?;
    compiled::keep(&workshop.cache, KIND, &key, &wasm).map_err(|cause| rules.error(Phase::Prepare, cause))?;
    Ok(wasm)
}

/// Runs the engine until the handler is evaluated, under the limits of the function.
fn evaluate(
    workshop: &Workshop,
    instrumented: &[u8],
    handler: &[u8],
    rules: &Arc<Rules>,
) -> Result<Sandbox, Error> {
    let fail = |cause| rules.error(Phase::Prepare, cause);
    // The same for every handler, so it is compiled once.
    let compiled = compiled::compile(&workshop.engine, &workshop.cache, instrumented).map_err(fail)?;
    let linked = workshop.link(&compiled.module, Arc::clone(rules)).map_err(fail)?;
    let mut laps = Laps::begin();
    let mut sandbox = linked.start(Stdout::Console, Phase::Prepare, &mut laps)?;
    let evaluator =
        Evaluator::of(&linked, &mut sandbox).map_err(|failure| sandbox.error(Phase::Prepare, failure))?;
    let result = sandbox.run(Phase::Prepare, &mut laps, |store, _| evaluator.evaluate(store, handler));
    result.map_err(|error| match error.cause {
        Cause::Trapped(reason) => fail(Cause::Artifact(format!("the handler was not evaluated: {reason}"))),
        cause => fail(cause),
    })?;
    Ok(sandbox)
}

/// How a handler gets into the engine.
struct Evaluator {
    memory: Memory,
    room_for: TypedFunc<u32, u32>,
    evaluate: TypedFunc<(), ()>,
}

impl Evaluator {
    fn of(linked: &Linked, sandbox: &mut Sandbox) -> Result<Self, Failure> {
        let module = linked.module();
        let wanted = |name, params, results| {
            function_export(module, name, params, results)
                .ok_or_else(|| Cause::Internal(format!("the JavaScript engine exports no `{name}`")))
        };
        Ok(Self {
            memory: sandbox.memory(&memory_export(module)?)?,
            room_for: sandbox.function(&wanted("isolab_request", 1, 1)?)?,
            evaluate: sandbox.function(&wanted(EVALUATE, 0, 0)?)?,
        })
    }

    fn evaluate(&self, store: &mut Store<Host>, handler: &[u8]) -> Result<(), Failure> {
        let len = u32::try_from(handler.len())
            .map_err(|_| Cause::Artifact("the handler is larger than a 32-bit memory".into()))?;
        let at = self.room_for.call(&mut *store, len)?;
        self.memory.write(&mut *store, at as usize, handler).map_err(wasmtime::Error::from)?;
        Ok(self.evaluate.call(store, ())?)
    }
}
