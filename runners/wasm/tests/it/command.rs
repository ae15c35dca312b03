//! Foreign WASI commands: the query in, standard output out, and every way to fail.

use crate::support::{ask, command, get, open, prepare, wat};
use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::{Cause, Error, Function, Request, Variant};

/// Writes `len` bytes at `at` to a descriptor.
const WRITE: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (func $write (param $fd i32) (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    (memory (export "memory") 1)"#;

const ECHO: &str = r#"(module
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
    WRITE
    (func (export "_start")
        (drop (call $sizes (i32.const 16) (i32.const 20)))
        (drop (call $environ (i32.const 1024) (i32.const 2048)))
        (call $write (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))))"#;

/// A command that says `went wrong` on standard error and then does `end`.
fn failing(end: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            WRITE
            (data (i32.const 64) "went wrong\n")
            (func (export "_start")
                (call $write (i32.const 2) (i32.const 64) (i32.const 11))
                {end}))"#
    )
}

struct Lab {
    folder: tempfile::TempDir,
    wasm: isolab_wasm::Wasm,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wasm = open("wasm", folder.path());
        Self { folder, wasm }
    }

    fn command(&self, text: &str) -> Function {
        command(self.folder.path(), "command", &text.replace("WRITE", WRITE))
    }

    fn refused(&self, text: &str) -> String {
        let result = prepare(&self.wasm, &self.command(text), Variant::Command);
        let Err(error) = result else { panic!("{text} was not refused") };
        assert!(matches!(error.cause, Cause::Artifact(_)), "{error}");
        error.to_string()
    }

    fn failed(&self, text: &str) -> Error {
        let prepared = prepare(&self.wasm, &self.command(text), Variant::Command).unwrap();
        ask(&*prepared, get("/")).unwrap_err()
    }
}

/// Writes its arguments and its environment, each followed by a NUL.
const SHOW: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
    WRITE
    (func (export "_start")
        (drop (call $args_sizes (i32.const 16) (i32.const 20)))
        (drop (call $args (i32.const 1024) (i32.const 2048)))
        (call $write (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))
        (drop (call $sizes (i32.const 16) (i32.const 20)))
        (drop (call $environ (i32.const 1024) (i32.const 2048)))
        (call $write (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))))"#;

#[test]
fn a_command_sees_what_it_is_granted_and_a_query_does_not_replace_it() {
    let lab = Lab::new();
    for (grants, query, expected) in [
        ("", "/", ""),
        ("args = ['--fast', '']", "/?a=1", "show\0--fast\0\0a=1\0"),
        ("env = { A = 'granted', Z = '' }", "/?A=sent&b=2", "A=granted\0Z=\0b=2\0"),
    ] {
        let folder = lab.folder.path().join("show");
        std::fs::create_dir_all(&folder).unwrap();
        let manifest = format!("description = 'a test'\n[grants]\n{grants}");
        std::fs::write(folder.join("function.toml"), manifest).unwrap();
        std::fs::write(folder.join("show.wasm"), wat(&SHOW.replace("WRITE", WRITE))).unwrap();
        let function = Function::load(&folder).unwrap();
        let prepared = prepare(&lab.wasm, &function, Variant::Command).unwrap();
        assert_eq!(ask(&*prepared, get(query)).unwrap().body(), expected, "{grants}");
    }
}

#[test]
fn the_query_is_the_environment_and_stdout_the_response() {
    let lab = Lab::new();
    let prepared = prepare(&lab.wasm, &lab.command(ECHO), Variant::Command).unwrap();
    assert_eq!(prepared.max_uses(), Some(1));
    let response = ask(&*prepared, get("/?myName=J%C3%BCrgen+M&b=2")).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.body(), "myName=Jürgen M\0b=2\0");
    assert_eq!(ask(&*prepared, get("/")).unwrap().body(), "");
}

#[test]
fn the_body_is_stdin() {
    let lab = Lab::new();
    let cat = r#"(module
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        WRITE
        (func (export "_start")
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (i32.const 4096))
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))))"#;
    let prepared = prepare(&lab.wasm, &lab.command(cat), Variant::Command).unwrap();
    let body = Bytes::from("from the body");
    let request = Request::new(Method::POST, "/".parse().unwrap(), HeaderMap::new(), body.clone());
    assert_eq!(ask(&*prepared, request).unwrap().body(), &body);
}

#[test]
fn exit_code_0_is_success_and_any_other_an_error_with_the_end_of_stderr() {
    let lab = Lab::new();
    let exits = |code: u32| failing(&format!("(call $exit (i32.const {code}))"));
    let prepared = prepare(&lab.wasm, &lab.command(&exits(0)), Variant::Command).unwrap();
    assert_eq!(ask(&*prepared, get("/")).unwrap().body(), "");
    assert_eq!(lab.failed(&exits(3)).cause, Cause::Crashed("exit code 3: went wrong".into()));
}

#[test]
fn a_trap_is_an_error_with_the_end_of_stderr() {
    let Cause::Trapped(reason) = Lab::new().failed(&failing("unreachable")).cause else { panic!("no trap") };
    assert!(reason.contains("unreachable") && reason.ends_with(": went wrong"), "{reason}");
}

#[test]
fn more_than_the_limit_on_stdout_is_an_error() {
    let flood = r#"(module WRITE (func (export "_start")
        (loop (call $write (i32.const 1) (i32.const 0) (i32.const 65536)) (br 0))))"#;
    let error = Lab::new().failed(flood);
    assert!(matches!(error.cause, Cause::ResponseTooLarge(_)), "{error}");
}

#[test]
fn a_module_that_is_not_a_command_is_refused_with_the_reason() {
    let lab = Lab::new();
    assert!(lab.refused("(module WRITE)").contains("`_start`"));
    assert!(lab.refused(r#"(module (func (export "_start")))"#).contains("`memory`"));
    assert!(lab.refused(r#"(module WRITE (func (export "_start") (param i32)))"#).contains("`_start`"));
    let foreign = lab.refused(r#"(module (import "env" "log" (func)))"#);
    assert!(foreign.contains("`env.log`") && foreign.contains("wasi_snapshot_preview1"), "{foreign}");
    let unknown = lab.refused(r#"(module (import "wasi_snapshot_preview1" "path_fly" (func)))"#);
    assert!(unknown.contains("path_fly"), "{unknown}");
    assert!(lab.refused("(component)").contains("component"));
}

#[test]
fn bytes_that_are_not_a_module_are_refused() {
    let lab = Lab::new();
    for bytes in [b"".as_slice(), b"not wasm", b"\0asm\x01\0\0\0\xff\xff"] {
        let path = lab.folder.path().join("bad.wasm");
        std::fs::write(&path, bytes).unwrap();
        let result = prepare(&lab.wasm, &Function::load(&path).unwrap(), Variant::Command);
        let Err(error) = result else { panic!("{bytes:?} was not refused") };
        assert!(matches!(error.cause, Cause::Artifact(_)), "{error}");
    }
}

#[test]
fn opening_a_file_fails_with_a_bad_descriptor() {
    let opens = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        WRITE
        (func (export "_start")
            (call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
                (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 16)))))"#;
    assert_eq!(Lab::new().failed(opens).cause, Cause::Crashed("exit code 8".into()));
}
