//! Initialises a function before its first instance, with Wizer: an instance is initialised
//! once, and its memory then becomes the data of a new module. So a Rust function does the work
//! that it can do in advance, and the JavaScript engine evaluates a handler.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use isolab_core::wasi::{Granted, Stdout};
use isolab_core::{Cache, Cause, Error, Laps, Phase, cache};
use wasmtime_wizer::{WasmtimeWizer, Wizer};

use crate::initialize::{self, Initialization};
use crate::rules::Rules;
use crate::sandbox::Sandbox;
use crate::setup::Setup;
use crate::workshop::Workshop;

const KIND: &str = "wasm-snapshot";

/// The module in its initialised state, if the cache has it.
pub(crate) fn find(cache: &Cache, wasm: &[u8], input: &Bytes, granted: &Granted) -> Option<Vec<u8>> {
    cache.load(KIND, &key(wasm, input, granted))
}

/// The initialisation sees what the function is granted.
fn key(wasm: &[u8], input: &Bytes, granted: &Granted) -> String {
    cache::digest([wasm, input, granted.key().as_bytes(), env!("WASMTIME_WIZER_VERSION").as_bytes()])
}

/// The module in its initialised state, from the cache or newly made. The initialisation
/// reads `input` from standard input.
pub(crate) fn snapshot(
    workshop: &Workshop,
    wasm: &[u8],
    input: &Bytes,
    rules: &Arc<Rules>,
) -> Result<Vec<u8>, Error> {
    if let Some(snapshot) = find(&workshop.cache, wasm, input, &rules.granted) {
        return Ok(snapshot);
    }
    let fail = |cause| rules.error(Phase::Prepare, cause);
    let internal =
        |error: wasmtime::Error| fail(Cause::Internal(format!("the snapshot cannot be made: {error:#}")));
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument(wasm).map_err(|error| {
        fail(Cause::Artifact(format!("Wizer cannot take the module: {error:#}; try `snapshot=off`")))
    })?;
    let Sandbox { mut store, instance, .. } = initialized(workshop, &instrumented, input, rules)?;
    let mut state = WasmtimeWizer { store: &mut store, instance };
    // The interface is asynchronous for asynchronous stores. This store is not one.
    let snapshot = wizer.snapshot(&context, &mut state).now_or_never();
    let snapshot = snapshot.expect("reading a synchronous store never waits").map_err(internal)?;
    let stored = workshop.cache.store(KIND, &key(wasm, input, &rules.granted), &snapshot);
    stored.map_err(|error| fail(Cause::Internal(error.to_string())))?;
    Ok(snapshot)
}

/// An initialised instance, made under the limits of the function.
fn initialized(
    workshop: &Workshop,
    instrumented: &[u8],
    input: &Bytes,
    rules: &Arc<Rules>,
) -> Result<Sandbox, Error> {
    let fail = |cause| rules.error(Phase::Prepare, cause);
    // The JavaScript engine is the same for every handler, so it is compiled once.
    let compiled = workshop.compile(instrumented).map_err(fail)?;
    // `prepare` may hold its thread.
    let linked = workshop.link(&compiled.module, Arc::clone(rules), Setup::STRAIGHT).map_err(fail)?;
    let initialization = Initialization::of(linked.module(), input.clone()).map_err(fail)?;
    let mut laps = Laps::begin();
    let initialized = async {
        let mut sandbox = linked.start(Stdout::Console, Phase::Prepare, &mut laps).await?;
        let ran = initialization.run(&mut sandbox, rules, Phase::Prepare, &mut laps).await;
        ran.map_err(initialize::refused)?;
        Ok(sandbox)
    };
    initialized.now_or_never().expect("a module that runs straight never waits")
}
