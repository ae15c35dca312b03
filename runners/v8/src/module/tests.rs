//! Modules that are refused, and the memory limit.

use bytes::Bytes;
use std::time::Duration;

use isolab_core::function::Grants;
use isolab_core::wasi::Granted;
use isolab_core::watchdog::Watchdog;
use isolab_core::{Cause, Error, Laps, Limits, Prepared as _, Request, Response};

use super::*;
use crate::rules::Rules;

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const ONE_PAGE: &[u8] = &[5, 3, 1, 0, 1];
const EXPORT_MEMORY: &[u8] = b"\x07\x0a\x01\x06memory\x02\0";

fn refused(sections: &[&[u8]]) -> String {
    refused_whole(&[HEADER, &sections.concat()].concat())
}

fn refused_whole(module: &[u8]) -> String {
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
    let rules = Rules::new("v8", "test", limits, &Watchdog::start().unwrap());
    match PreparedModule::new(rules, Granted::default(), module, String::new(), &mut Laps::begin()).err() {
        Some(Cause::Artifact(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_module_without_the_exports_of_a_function_is_refused() {
    assert!(refused(&[ONE_PAGE]).contains("does not export `memory`"));
    assert!(refused(&[ONE_PAGE, EXPORT_MEMORY]).contains("does not export `isolab_request`"));
}

#[test]
fn a_module_that_imports_from_elsewhere_is_refused_with_the_import() {
    let (types, imports) = (b"\x01\x04\x01\x60\0\0", b"\x02\x09\x01\x03env\x01f\0\0");
    let reason = refused(&[types, imports, ONE_PAGE]);
    assert!(reason.contains("env"), "{reason}");
}

#[test]
fn bytes_that_are_not_a_valid_module_are_refused() {
    assert!(refused(&[&[5, 3, 1, 0, 1, 99, 0]]).contains("CompileError"));
    assert!(refused(&[&[1, 0xff]]).contains("ends in the middle"));
}

#[test]
fn an_initialisation_that_traps_or_never_ends_is_an_error_of_prepare() {
    let failed = |initialize: &str| {
        let text = format!(
            r#"(module (memory (export "memory") 1)
                (func (export "isolab_request") (param i32) (result i32) i32.const 0)
                (func (export "isolab_handle") (result i32) i32.const 0)
                (func (export "wizer-initialize") {initialize}))"#
        );
        let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
        let rules = Rules::new("v8", "test", limits, &Watchdog::start().unwrap());
        let module = wat::parse_str(text).unwrap();
        PreparedModule::new(rules, Granted::default(), &module, String::new(), &mut Laps::begin()).err()
    };
    assert_eq!(failed(""), None);
    assert_eq!(failed("(loop br 0)"), Some(Cause::DeadlineExceeded(Duration::from_millis(200))));
    let Some(Cause::Artifact(reason)) = failed("unreachable") else { panic!("it was prepared") };
    assert!(reason.contains("unreachable"), "{reason}");
}

/// A function whose call does `handle`.
fn function(definitions: &str, handle: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 1) {definitions}
            (func (export "isolab_request") (param i32) (result i32) i32.const 0)
            (func (export "isolab_handle") (result i32) {handle}))"#
    )
}

async fn answer(definitions: &str, handle: &str, limits: Limits) -> Result<Response, Error> {
    answer_of(&function(definitions, handle), limits).await
}

async fn answer_of(text: &str, limits: Limits) -> Result<Response, Error> {
    answer_with(text, limits, Granted::default()).await
}

async fn answer_with(text: &str, limits: Limits, granted: Granted) -> Result<Response, Error> {
    let rules = Rules::new("v8", "test", limits, &Watchdog::start().unwrap());
    let module = wat::parse_str(text).unwrap();
    let prepared = PreparedModule::new(rules, granted, &module, String::new(), &mut Laps::begin()).unwrap();
    let instance = prepared.start(&mut Laps::begin()).await.unwrap();
    let request = Request::new(http::Method::GET, "/".parse().unwrap(), http::HeaderMap::new(), Bytes::new());
    instance.invoke(request, &mut Laps::begin()).await
}

/// Writes an empty response to 8, and its length to 4.
const RESPOND: &str =
    "(i32.store (i32.const 4) (i32.const 12)) (i32.store (i32.const 8) (i32.const 200)) i32.const 4";

#[tokio::test]
async fn a_module_has_one_table_which_ends_at_100_000_elements() {
    let grow = "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))";
    let size = "(if (i32.ne (table.size $t) (i32.const 100000)) (then unreachable))";
    let huge =
        "(if (i32.ne (table.grow $t (ref.null func) (i32.const -1)) (i32.const -1)) (then unreachable))";
    let handle = format!("{huge} {grow} {size} {RESPOND}");
    assert!(answer("(table $t 0 funcref)", &handle, Limits::default()).await.is_ok());
    let tables = "(table 0 funcref)".repeat(100);
    let module = wat::parse_str(format!("(module (memory 1) {tables})")).unwrap();
    assert!(refused_whole(&module).contains("100 tables"));
}

#[tokio::test]
async fn a_module_has_one_memory_which_ends_at_the_limit() {
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    let pages = "(if (i32.ne (memory.size) (i32.const 16)) (then unreachable))";
    assert!(answer("", &format!("{grow} {pages} {RESPOND}"), limits).await.is_ok());
    for memory in ["(memory 1)", "(memory i64 1)", "(memory 1 1 shared)"] {
        let module = wat::parse_str(format!("(module (memory 1) {memory})")).unwrap();
        assert!(refused_whole(&module).contains("2 memories"), "{memory}");
    }
}

#[tokio::test]
async fn a_sleep_ends_when_it_is_over_or_at_the_deadline() {
    let sleeps = |nanoseconds: u64| {
        let poll = "(call $poll (i32.const 1000) (i32.const 1064) (i32.const 1) (i32.const 1128))";
        format!(
            "(i32.store (i32.const 1016) (i32.const 1)) (i64.store (i32.const 1024) (i64.const {nanoseconds}))
            (if {poll} (then unreachable)) {RESPOND}"
        )
    };
    let import = r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#;
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
    let ask = async |handle: &str| {
        let text = function("", handle).replace("(module", &format!("(module {import}"));
        answer_of(&text, limits).await
    };
    assert!(ask(&sleeps(1_000_000)).await.is_ok());
    let error = ask(&sleeps(3_600_000_000_000)).await.unwrap_err();
    assert_eq!(error.cause, Cause::DeadlineExceeded(limits.deadline));
    assert!(!error.spares_instance);
}

#[tokio::test]
async fn a_function_sees_its_arguments_and_its_environment() {
    let counts = |name: &str, expected: u32| {
        format!(
            "(if (call ${name} (i32.const 1000) (i32.const 1004)) (then unreachable))
            (if (i32.ne (i32.load (i32.const 1000)) (i32.const {expected})) (then unreachable))"
        )
    };
    let imports = ["args_sizes_get", "environ_sizes_get"].map(|name| {
        let kind = "(param i32 i32) (result i32)";
        format!(r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} {kind}))"#)
    });
    let grants =
        Grants { args: vec!["--fast".into()], env: [("A".into(), "1".into())].into(), ..Grants::default() };
    for (grants, [arguments, variables]) in [(Grants::default(), [0, 0]), (grants, [2, 1])] {
        let checks = [counts("args_sizes_get", arguments), counts("environ_sizes_get", variables)].concat();
        let text = function("", &format!("{checks} {RESPOND}"))
            .replace("(module", &format!("(module {}", imports.concat()));
        let answer = answer_with(&text, Limits::default(), Granted::of("me", &grants)).await;
        assert!(answer.is_ok(), "{grants:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_call_after_the_exit_does_nothing() {
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let text = function("", "(call $exit (i32.const 3)) (call $exit (i32.const 4)) i32.const 0")
        .replace("(module", &format!("(module {exit}"));
    let error = answer_of(&text, Limits::default()).await.unwrap_err();
    assert_eq!(error.cause, Cause::Crashed("exit code 3".into()));
}
