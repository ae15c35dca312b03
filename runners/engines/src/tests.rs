//! Modules that an engine refuses, and guests that reach a limit, the same for every engine.

use std::time::{Duration, Instant};

use isolab_core::function::Grants;
use isolab_core::wasi::Granted;
use isolab_core::{Cause, Limits};

use crate::engine::{Engine, Sandbox};
use crate::host::Failure;

const DEADLINE: Duration = Duration::from_millis(30);
const LIMITS: Limits =
    Limits { memory_bytes: 1 << 20, deadline: DEADLINE, response_bytes: 1000, request_bytes: 1000 };

/// A module with these definitions, which does `handle` when it is asked.
fn module(definitions: &str, handle: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {definitions} (memory (export "memory") 1 16)
            (func (export "isolab_request") (param i32) (result i32) i32.const 0)
            (func $handle (export "isolab_handle") (result i32) {handle} i32.const 0))"#
    );
    wat::parse_str(text).unwrap()
}

fn start<E: Engine>(engine: &E, wasm: &[u8]) -> Result<E::Sandbox, Cause> {
    engine.start(&engine.compile(wasm)?, LIMITS, &Granted::default())
}

fn refused<E: Engine>(engine: &E, wasm: &[u8]) -> String {
    match start(engine, wasm).err() {
        Some(Cause::Artifact(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// The cause with which a module that is asked once fails.
fn cause<E: Engine>(engine: &E, wasm: &[u8]) -> Cause {
    let mut sandbox = start(engine, wasm).unwrap();
    sandbox.begin(Instant::now() + DEADLINE);
    let failure = sandbox.handle().unwrap_err();
    let failure = if sandbox.end() { Failure::Deadline } else { failure };
    failure.cause(sandbox.host(), &LIMITS)
}

fn check_refusals<E: Engine>(engine: &E) {
    let start_section = refused(engine, &module("(func $start (loop br 0)) (start $start)", ""));
    assert!(start_section.contains("start"), "{start_section}");
    assert!(refused(engine, &module(r#"(import "env" "f" (func))"#, "")).contains("`env.f`"));
    let wasi = r#"(import "wasi_snapshot_preview1" "fd_unknown" (func))"#;
    assert!(refused(engine, &module(wasi, "")).contains("`fd_unknown`"));
    let bad_type = r#"(import "wasi_snapshot_preview1" "fd_write" (func (result f64)))"#;
    assert!(refused(engine, &module(bad_type, "")).contains("another type"));
    let empty = wat::parse_str(r#"(module (memory (export "memory") 1))"#).unwrap();
    assert!(refused(engine, &empty).contains("`isolab_request`"));
    assert!(refused(engine, b"\0asm").contains("refuses"));
}

fn check_limits<E: Engine>(engine: &E) {
    assert_eq!(cause(engine, &module("", "(loop br 0)")), Cause::DeadlineExceeded(DEADLINE));
    // Every step of this loop fills the memory, which is code of the engine.
    let fill = "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) br 0)";
    assert_eq!(cause(engine, &module("", fill)), Cause::DeadlineExceeded(DEADLINE));
    assert!(matches!(cause(engine, &module("", "unreachable")), Cause::Trapped(_)));
    assert!(matches!(cause(engine, &module("", "(drop (call $handle))")), Cause::Trapped(_)));
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let exited = cause(engine, &module(exit, "(call $exit (i32.const 3))"));
    assert_eq!(exited, Cause::Crashed("exit code 3".into()));
}

fn check_grants<E: Engine>(engine: &E) {
    let import =
        r#"(import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))"#;
    let check = "(if (call $sizes (i32.const 0) (i32.const 4)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 0)) (i32.const 1)) (then unreachable))";
    let compiled = engine.compile(&module(import, check)).unwrap();
    let grants = Grants { env: [("A".into(), "1".into())].into(), ..Grants::default() };
    for (grants, is_seen) in [(grants, true), (Grants::default(), false)] {
        let mut sandbox = engine.start(&compiled, LIMITS, &Granted::of("me", &grants)).unwrap();
        sandbox.begin(Instant::now() + Duration::from_mins(1));
        assert_eq!(sandbox.handle().is_ok(), is_seen);
        sandbox.end();
    }
}

#[test]
#[cfg(feature = "wasmi")]
fn the_interpreter_refuses_modules_and_keeps_limits() {
    let engine = crate::wasmi::Wasmi::new();
    check_refusals(&engine);
    check_limits(&engine);
    check_grants(&engine);
}

#[test]
#[cfg(feature = "wasmer")]
fn the_compiler_refuses_modules_and_keeps_limits() {
    let engine = crate::wasmer::Wasmer::new().unwrap();
    check_refusals(&engine);
    check_limits(&engine);
    check_grants(&engine);
}

#[test]
#[cfg(feature = "wasm3")]
fn the_interpreter_in_c_refuses_modules_and_keeps_limits() {
    let engine = crate::wasm3::Wasm3;
    check_refusals(&engine);
    check_limits(&engine);
    check_grants(&engine);
    let vectors = refused(&engine, &module("(func (drop (v128.const i64x2 0 0)))", ""));
    assert!(vectors.contains("SIMD"), "{vectors}");
}
