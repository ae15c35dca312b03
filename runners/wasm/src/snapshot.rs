//! Evaluates a JavaScript handler before the first instance: the module of the engine runs once,
//! reads the handler's source from standard input and evaluates it. Its memory then becomes
//! the data of a new module.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use isolab_core::{Cause, Error, Laps, Phase, cache};
use wasmtime_wizer::{WasmtimeWizer, Wizer};

use crate::exports::FunctionExport;
use crate::sandbox::{Rules, Sandbox};
use crate::wasi::Stdout;
use crate::workshop::Workshop;

const KIND: &str = "wasm-snapshot";

/// The engine's export that reads and evaluates the source.
const EVALUATE: &str = "wizer-initialize";

/// The engine's module with the handler in it, from the cache or newly made.
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
        rules.error(Phase::Prepare, Cause::Internal(format!("the snapshot cannot be made: {error:#}")))
    };
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(engine_wasm).map_err(internal)?;
    let Sandbox { mut store, instance, .. } = evaluate(workshop, &instrumented, handler, rules)?;
    let mut state = WasmtimeWizer { store: &mut store, instance };
    // The interface is asynchronous for asynchronous stores. This store is not one.
    let wasm = wizer.snapshot(&context, &mut state).now_or_never();
    let wasm = wasm.expect("reading a synchronous store never waits").map_err(internal)?;
    let stored = workshop.cache.store(KIND, &key, &wasm);
    stored.map_err(|error| rules.error(Phase::Prepare, Cause::Internal(error.to_string())))?;
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
    let compiled = workshop.compile(instrumented).map_err(fail)?;
    let linked = workshop.link(&compiled.module, Arc::clone(rules)).map_err(fail)?;
    let mut laps = Laps::begin();
    let mut sandbox = linked.start(Stdout::Console, Phase::Prepare, &mut laps)?;
    sandbox.store.data_mut().wasi.set_stdin(Bytes::copy_from_slice(handler));
    let evaluate = FunctionExport::<(), ()>::of(linked.module(), EVALUATE)
        .ok_or_else(|| fail(Cause::Internal(format!("the JavaScript engine exports no `{EVALUATE}`"))))?;
    let evaluate = sandbox.function(&evaluate).map_err(|failure| sandbox.error(Phase::Prepare, failure))?;
    let result = sandbox.run(Phase::Prepare, &mut laps, |store, _| Ok(evaluate.call(store, ())?));
    result.map_err(|error| match error.cause {
        Cause::Trapped(reason) => fail(Cause::Artifact(format!("the handler cannot be evaluated: {reason}"))),
        cause => fail(cause),
    })?;
    Ok(sandbox)
}
