//! A fresh instance for each request, written on Wasmtime directly with the executor's
//! settings: the floor to compare `start+invoke+stop` of `wasm` with (`make microbench`).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use isolab_core::Spec;
use isolab_core::guest::{self, Form, Target};
use isolab_sdk::wire;
use isolab_wasm::{NAME, SETTINGS, engine};
use wasmtime::{Engine, InstancePre, Linker, Module, Store};

const INSTANCES: usize = 256;

/// Ticks that no bench reaches.
const FAR: u64 = 1 << 32;

fn floor(criterion: &mut Criterion) {
    let manifest = guest::workspace().join("functions/hello/Cargo.toml");
    let path = guest::build(&manifest, Target::Wasm(Form::DEFAULT)).expect("hello is built");
    let wasm = std::fs::read(path).expect("hello was built");
    let spec = Spec::parse(NAME).and_then(|spec| spec.resolve(SETTINGS)).expect("the defaults are valid");
    let config = engine::config(&spec, engine::reset(&spec, &wasm), INSTANCES);
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
    group.bench_function("start+invoke+stop", |bench| {
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

criterion_group!(benches, floor);
criterion_main!(benches);
