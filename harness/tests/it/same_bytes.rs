//! All Wasm engines run the same bytes of a Rust function, if their modules have the same stack.

#![cfg(all(feature = "wasm", feature = "v8"))]

use std::collections::BTreeMap;
use std::path::Path;

use isolab::executors;
use isolab_core::{Cache, Environment, Function, Laps, Spec, Variant, guest};

/// The digest of what an executor was given of `hello`.
async fn source_digest(spec: &str, folder: &Path) -> String {
    let environment = Environment {
        cache: Cache::with_key(folder.join("cache"), folder.join("key")),
        run_id: "same-bytes".into(),
        max_instances: 2,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let spec = executors::resolve(Spec::parse(spec).unwrap()).unwrap();
    let executor = executors::open(spec, &environment).await.unwrap();
    let hello = Function::load(&guest::workspace().join("functions/hello")).unwrap();
    let prepared = executor.prepare(&hello, Variant::Rust, &mut Laps::begin()).await.unwrap();
    prepared.artifact().source_digest.clone()
}

#[tokio::test]
async fn wasm_and_v8_are_given_the_same_bytes_exactly_if_the_stack_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    // V8 first: its signal handler does not pass other signals on.
    let v8 = ["v8", "v8:stack=default", "v8:simd=off"];
    let wasm = ["wasm", "wasm:stack=default", "wasm:simd=off", "wasm:target=baseline"];
    for spec in v8.into_iter().chain(wasm) {
        digests.push(source_digest(spec, folder.path()).await);
    }
    let [v8, v8_default, v8_scalar, wasm, wasm_default, wasm_scalar, wasm_baseline] = &digests[..] else {
        unreachable!()
    };
    assert_eq!([v8, v8_default, v8_scalar], [wasm, wasm_default, wasm_scalar]);
    assert_ne!(v8, v8_scalar);
    assert_eq!(wasm, wasm_baseline, "instructions are the compiler's choice");
    assert_ne!(v8, v8_default);
}

#[tokio::test]
async fn further_engines_are_given_the_bytes_of_wasm() {
    let folder = tempfile::tempdir().unwrap();
    for stack in ["tuned", "default"] {
        let digest = |engine: &'static str| {
            let spec = format!("{engine}:stack={stack}");
            let folder = folder.path().to_owned();
            async move { source_digest(&spec, &folder).await }
        };
        if executors::is_compiled_in("wasm3") {
            let without_vectors = format!("wasm:simd=off,stack={stack}");
            let wasm = source_digest(&without_vectors, folder.path()).await;
            assert_eq!(digest("wasm3").await, wasm, "wasm3:stack={stack}");
            assert_ne!(wasm, digest("wasm").await);
        }
        for engine in ["wasmi", "wasmer"].into_iter().filter(|engine| executors::is_compiled_in(engine)) {
            assert_eq!(digest(engine).await, digest("wasm").await, "{engine}:stack={stack}");
        }
    }
}
