//! A command that greets, started and run once by either host of WASI: `cargo bench -p isolab-wasm --bench hosts`.
//!
//! The module is the same for `light` and `full`: a granted folder, which it does not use, makes the
//! difference. `waiting` is the light host on a stack of its own, as a module gets it that imports
//! `poll_oneoff`. So `waiting` against `full` is the cost of the host, and `light` against `full` the cost of
//! both.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method, Uri};
use isolab_core::{Cache, Environment, Executor, Function, Laps, Prepared, Request, Spec, Variant};
use isolab_wasm::{NAME, SETTINGS, Wasm};
use tokio::runtime::Runtime;

/// Writes `Hello, World!` to standard output.
const HELLO: &str = r#"(module
    IMPORT
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\0d\00\00\00")
    (data (i32.const 16) "Hello, World!")
    (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

const POLL: &str =
    r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))"#;

const FOLDER: &str = "[grants]\nfolders = [{ path = '.', at = '/data' }]";

fn hosts(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut group = criterion.benchmark_group("wasm/hello/command/start+invoke+stop");
    for (name, import, grants, kind) in [
        ("light", "", "", "compiled module"),
        ("waiting", POLL, "", "compiled module that can wait"),
        ("full", "", FOLDER, "compiled module that can wait, with all of WASI"),
    ] {
        let function = folder.path().join(name);
        fs::create_dir(&function).expect("a folder");
        let manifest = format!("description = 'greets'\n{grants}");
        fs::write(function.join("function.toml"), manifest).expect("a manifest");
        let module = wat::parse_str(HELLO.replace("IMPORT", import)).expect("a module");
        fs::write(function.join("hello.wasm"), module).expect("a module");
        let prepared = prepare(&runtime, folder.path(), &function);
        assert_eq!(prepared.artifact().kind, kind);
        group.bench_function(name, |bench| bench.iter(|| runtime.block_on(live(&*prepared))));
    }
}

fn prepare(runtime: &Runtime, folder: &Path, function: &Path) -> Arc<dyn Prepared> {
    let spec = Spec::parse(NAME).and_then(|spec| spec.resolve(SETTINGS)).expect("the defaults are valid");
    let environment = Environment {
        cache: Cache::with_key(folder.join("cache"), folder.join("key")),
        run_id: "bench".into(),
        max_instances: 8,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let wasm = Wasm::open(spec, &environment).expect("Wasmtime comes up");
    let function = Function::load(function).expect("a function");
    let prepared = runtime.block_on(wasm.prepare(&function, Variant::Command, &mut Laps::begin()));
    prepared.expect("the command compiles")
}

async fn live(prepared: &dyn Prepared) {
    let instance = prepared.start(&mut Laps::begin()).await.expect("the command starts");
    let request = Request::new(Method::GET, Uri::from_static("/"), HeaderMap::new(), Bytes::new());
    let answer = instance.invoke(request, &mut Laps::begin()).await.expect("the command answers");
    assert_eq!(black_box(answer).body(), "Hello, World!");
    instance.stop(&mut Laps::begin()).await.expect("the command stops");
}

criterion_group!(benches, hosts);
criterion_main!(benches);
