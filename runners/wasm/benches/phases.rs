//! `start`, `invoke` and `start+invoke` (with `stop`) of `hello`, and the same work
//! written directly on Wasmtime with the same settings: the floor to compare with.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use isolab_core::guest::{self, Target};
use isolab_core::{
    Cache, Environment, Executor, Instance, Laps, Library, Prepared, Request, Response, Spec, Variant,
    conformance,
};
use isolab_sdk::wire;
use isolab_wasm::{NAME, SETTINGS, Wasm, engine};
use wasmtime::{Engine, InstancePre, Linker, Module, Store};

const INSTANCES: usize = 256;

/// Ticks that no bench reaches.
const FAR: u64 = 1 << 32;

fn spec() -> Spec {
    Spec::parse(NAME).and_then(|spec| spec.resolve(SETTINGS)).expect("the defaults are valid")
}

/// What a synchronous executor answers is there at the first poll.
fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("this executor never waits")
}

fn start(prepared: &Arc<dyn Prepared>) -> Box<dyn Instance> {
    ready(prepared.start(&mut Laps::begin())).expect("hello starts")
}

fn invoke(instance: &mut dyn Instance, request: &Request) -> Response {
    ready(instance.invoke(request.clone(), &mut Laps::begin())).expect("hello answers")
}

fn executor(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let environment =
        Environment { cache: Cache::new(folder.path()), run_id: "bench".into(), max_instances: INSTANCES };
    let wasm = Wasm::open(spec(), &environment).expect("Wasmtime comes up");
    let library: Library = conformance::library().expect("the functions load");
    let hello = library.get("hello").expect("hello is there");
    let request = &hello.load_case().expect("hello has cases").request;
    for variant in [Variant::Rust, Variant::Js] {
        let prepared = ready(wasm.prepare(hello, variant, &mut Laps::begin())).expect("hello is made");
        let mut group = criterion.benchmark_group(format!("wasm/hello/{variant}"));
        group.bench_function("start", |bench| {
            // Stopping is dropping, which is left out of the time by giving the instance back.
            bench.iter_batched(|| (), |()| start(&prepared), BatchSize::PerIteration);
        });
        group.bench_function("invoke", |bench| {
            let mut instance = start(&prepared);
            bench.iter(|| invoke(&mut *instance, request));
        });
        group.bench_function("start+invoke", |bench| {
            bench.iter(|| {
                let mut instance = start(&prepared);
                let response = invoke(&mut *instance, request);
                ready(instance.stop(&mut Laps::begin())).expect("hello stops");
                response
            });
        });
    }
}

/// One fresh instance a request, with nothing around it.
fn direct(criterion: &mut Criterion) {
    let manifest = guest::workspace().join("functions/hello/Cargo.toml");
    let path = guest::build(&manifest, Target::Wasm).expect("hello is built");
    let wasm = std::fs::read(path).expect("hello was built");
    let config = engine::config(&spec(), engine::reset(&spec(), &wasm), INSTANCES);
    let engine = Engine::new(&config).expect("Wasmtime comes up");
    let module = Module::new(&engine, wasm).expect("hello compiles");
    let mut linker = Linker::<()>::new(&engine);
    linker.define_unknown_imports_as_traps(&module).expect("imports can be anything");
    let pre = linker.instantiate_pre(&module).expect("hello links");
    let request =
        isolab_sdk::Request { method: "GET", path: "/", query: "myName=World", ..Default::default() };
    let mut bytes = Vec::new();
    wire::encode_request(&request, &mut bytes);
    let mut group = criterion.benchmark_group("direct-wasmtime/hello/rust");
    group.bench_function("start+invoke", |bench| {
        bench.iter(|| fresh(&engine, &pre, black_box(&bytes)).expect("hello answers"));
    });
}

fn fresh(engine: &Engine, pre: &InstancePre<()>, request: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(FAR);
    let instance = pre.instantiate(&mut store)?;
    if let Some(initialize) = instance.get_func(&mut store, "_initialize") {
        initialize.typed::<(), ()>(&store)?.call(&mut store, ())?;
    }
    let memory = instance.get_memory(&mut store, "memory").expect("a function exports its memory");
    let room = instance.get_typed_func::<u32, u32>(&mut store, "isolab_request")?;
    let handle = instance.get_typed_func::<(), u32>(&mut store, "isolab_handle")?;
    let at = room.call(&mut store, request.len() as u32)?;
    memory.write(&mut store, at as usize, request)?;
    let at = handle.call(&mut store, ())? as usize;
    let data = memory.data(&store);
    let len = u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]) as usize;
    Ok(data[at + 4..at + 4 + len].to_vec())
}

criterion_group!(phases, executor, direct);
criterion_main!(phases);
