//! The setting `sandbox=wasm2c`: Wasm modules that have become C.

use isolab_core::{Cause, Executor as _, Laps, Variant};

use crate::support::{Lab, function, get, stop};

#[tokio::test]
async fn a_trap_and_an_exit_end_the_process_and_are_told() {
    let lab = Lab::open("process:sandbox=wasm2c");
    for (name, expected) in [("hostile/trap", "Unreachable instruction"), ("hostile/exit", "exit")] {
        let instance = lab.start(&function(name), Variant::Rust).await.unwrap();
        let cause = get(&*instance, "/").await.unwrap_err();
        let (Cause::Trapped(words) | Cause::Crashed(words)) = &cause else { panic!("{name}: {cause}") };
        assert!(words.contains(expected), "{name}: {words}");
        stop(instance).await;
    }
}

/// The memory of a module ends before that of its process.
#[tokio::test]
async fn an_address_outside_of_the_memory_is_a_trap() {
    let lab = Lab::open("process:sandbox=wasm2c");
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1)
            (func (export "isolab_request") (param i32) (result i32) (i32.const 0))
            (func (export "isolab_handle") (result i32) (i32.load (i32.const 0x7fff0000))))"#,
    );
    let function = lab.module("beyond", "", &module.unwrap());
    let instance = lab.start(&function, Variant::Module).await.unwrap();
    let cause = get(&*instance, "/").await.unwrap_err();
    assert!(cause.to_string().contains("Out-of-bounds access"), "{cause}");
    stop(instance).await;
}

#[tokio::test]
async fn a_module_that_wasm2c_cannot_take_is_refused_with_the_reason() {
    let lab = Lab::open("process:sandbox=wasm2c");
    let refused = async |name: &str, text: &str| {
        let function = lab.module(name, "", &wat::parse_str(text).unwrap());
        lab.process.prepare(&function, Variant::Module, &mut Laps::begin()).await.err().unwrap().to_string()
    };
    let vectors = r#"(module (memory (export "memory") 1) (func (drop (v128.const i64x2 0 0))))"#;
    assert!(refused("vectors", vectors).await.contains("vector instructions"));
    let elsewhere = r#"(module (import "env" "log" (func)) (memory (export "memory") 1)
        (func (export "isolab_request") (param i32) (result i32) (i32.const 0))
        (func (export "isolab_handle") (result i32) (call 0) (i32.const 0)))"#;
    let reason = refused("elsewhere", elsewhere).await;
    assert!(reason.contains("log"), "{reason}");
    let lacking = refused("lacking", r#"(module (memory (export "memory") 1))"#).await;
    assert!(lacking.contains("isolab_request"), "{lacking}");
    let js = lab.handler("handler", "", "export default { fetch() {} };");
    assert!(lab.process.supports(&js, Variant::Js).unwrap_err().contains("vector instructions"));
}

#[test]
fn a_combination_that_makes_no_sense_is_refused() {
    let refused = Lab::try_open("process:sandbox=wasm2c,concurrency=2").err().unwrap().to_string();
    assert!(refused.contains("one request at a time"), "{refused}");
}

/// A module that answers with the eight bytes that a function of WASI has written.
fn answers_with(import: &str, call: &str) -> Vec<u8> {
    // The length of the response, status 200, no header, and a body of eight bytes at 1040.
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "{import}" (func $write (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 1024) "\14\00\00\00\c8\00\00\00\00\00\00\00\08\00\00\00")
            (func (export "isolab_request") (param i32) (result i32) (i32.const 2048))
            (func (export "isolab_handle") (result i32) (drop {call}) (i32.const 1024)))"#
    );
    wat::parse_str(text).unwrap()
}

/// Random numbers come from the kernel each time.
#[tokio::test]
async fn copies_of_a_zygote_draw_different_random_numbers() {
    let lab = Lab::open("process:sandbox=wasm2c,spawn=fork");
    let module = answers_with("random_get", "(call $write (i32.const 1040) (i32.const 8))");
    let function = lab.module("draws", "", &module);
    let prepared = lab.process.prepare(&function, Variant::Module, &mut Laps::begin()).await.unwrap();
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let instance = prepared.start(&mut Laps::begin()).await.unwrap();
        drawn.push(get(&*instance, "/").await.unwrap().body().clone());
        stop(instance).await;
    }
    assert_ne!(drawn[0], drawn[1]);
}

#[tokio::test]
async fn a_module_sees_the_variables_that_it_is_granted() {
    let lab = Lab::open("process:sandbox=wasm2c");
    let module = answers_with("environ_get", "(call $write (i32.const 4096) (i32.const 1040))");
    let function = lab.module("sees", "[grants]\nenv = { A = \"b\" }", &module);
    let instance = lab.start(&function, Variant::Module).await.unwrap();
    assert_eq!(&get(&*instance, "/").await.unwrap().body()[..], b"A=b\0\0\0\0\0");
    stop(instance).await;
}
