//! Guests that break a rule, each under limits short enough to wait for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use isolab_core::{
    Artifact, Cache, Cause, Environment, Error, Instance, Laps, Limits, Phase, Prepared, Request, Response,
    Spec,
};

use crate::command::PreparedCommand;
use crate::compiled;
use crate::engine::{NAME, Reset, SETTINGS};
use crate::executor::Workshop;
use crate::function::PreparedFunction;
use crate::sandbox::{Linked, Rules};
use crate::ticker::Ticker;

const DEADLINE: Duration = Duration::from_millis(30);
const MEMORY: u64 = 1 << 20;
const LIMITS: Limits = Limits { memory_bytes: MEMORY, deadline: DEADLINE, response_bytes: 1000 };

/// A function's exports, with what the two calls do left open.
fn function(request: &str, handle: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 1)
            (func (export "isolab_request") (param i32) (result i32) {request})
            (func $handle (export "isolab_handle") (result i32) {handle}))"#
    )
}

fn command(start: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start") {start}))"#
    )
}

/// A workshop and its clock, with room for as many instances.
struct Lab {
    workshop: Workshop,
    ticker: Arc<Ticker>,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new(max_instances: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let spec = Spec::parse(NAME).unwrap().resolve(SETTINGS).unwrap();
        let environment = Environment { cache, run_id: "test".into(), max_instances };
        let workshop = Workshop::new(&spec, Reset::Scan, &environment).unwrap();
        let ticker = Arc::new(Ticker::start(vec![workshop.engine.clone()]).unwrap());
        Self { workshop, ticker, _folder: folder }
    }

    fn link(&self, text: &str) -> (Linked, Artifact) {
        let wasm = wat::parse_str(text).unwrap();
        let compiled = compiled::compile(&self.workshop.engine, &self.workshop.cache, &wasm).unwrap();
        let rules = Rules::new(NAME.into(), "test", LIMITS, Arc::clone(&self.ticker));
        let linked = self.workshop.link(&compiled.module, Arc::new(rules)).unwrap();
        let artifact = Artifact {
            kind: "compiled module",
            source_digest: String::new(),
            bytes: compiled.bytes,
            cached: compiled.cached,
        };
        (linked, artifact)
    }

    fn function(&self, request: &str, handle: &str) -> Result<PreparedFunction, Cause> {
        let (linked, artifact) = self.link(&function(request, handle));
        PreparedFunction::new(linked, artifact)
    }

    fn command(&self, start: &str) -> PreparedCommand {
        let (linked, artifact) = self.link(&command(start));
        PreparedCommand::new(linked, artifact).unwrap()
    }
}

fn start(prepared: &dyn Prepared) -> Result<Box<dyn Instance>, Error> {
    prepared.start(&mut Laps::begin()).now_or_never().unwrap()
}

fn ask(prepared: &dyn Prepared) -> Result<Response, Error> {
    let request = Request::new(http::Method::GET, "/".parse().unwrap(), http::HeaderMap::new(), Bytes::new());
    start(prepared)?.invoke(request, &mut Laps::begin()).now_or_never().unwrap()
}

fn cause(prepared: &dyn Prepared) -> Cause {
    ask(prepared).unwrap_err().cause
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let lab = Lab::new(1);
    let begun = Instant::now();
    assert_eq!(cause(&lab.command("(loop br 0)")), Cause::DeadlineExceeded(DEADLINE));
    assert!(begun.elapsed() >= DEADLINE);
    let spin = lab.function("i32.const 0", "(loop br 0) i32.const 0").unwrap();
    assert_eq!(cause(&spin), Cause::DeadlineExceeded(DEADLINE));
}

#[test]
fn an_endless_start_section_ends_at_the_deadline() {
    let lab = Lab::new(1);
    let text = command("").replace("(memory", "(func $spin (loop br 0)) (start $spin) (memory");
    let (linked, artifact) = lab.link(&text);
    let error = ask(&PreparedCommand::new(linked, artifact).unwrap()).unwrap_err();
    assert_eq!((error.phase, error.cause), (Phase::Start, Cause::DeadlineExceeded(DEADLINE)));
}

#[test]
fn a_long_sleep_ends_at_the_deadline() {
    // One subscription to the monotonic clock, an hour from now.
    let sleep = "(i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 3600000000000))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))";
    assert_eq!(cause(&Lab::new(1).command(sleep)), Cause::DeadlineExceeded(DEADLINE));
}

#[test]
fn memory_ends_at_its_limit() {
    let lab = Lab::new(1);
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";
    assert_eq!(cause(&lab.command(&format!("{grow} unreachable"))), Cause::OutOfMemory(MEMORY));
    let copes = lab.command(&format!("{grow} (if (i32.ne (memory.size) (i32.const 16)) (then unreachable))"));
    assert!(ask(&copes).is_ok());
    let (linked, artifact) = lab.link(&command("").replace("\"memory\") 1", "\"memory\") 17"));
    let error = ask(&PreparedCommand::new(linked, artifact).unwrap()).unwrap_err();
    assert_eq!((error.phase, error.cause), (Phase::Start, Cause::OutOfMemory(MEMORY)));
}

#[test]
fn endless_recursion_is_a_trap() {
    let prepared = Lab::new(1).function("i32.const 0", "(i32.add (call $handle) (i32.const 1))").unwrap();
    let Cause::Trapped(reason) = cause(&prepared) else { panic!("no trap") };
    assert!(reason.contains("stack"), "{reason}");
}

#[test]
fn addresses_outside_of_the_memory_are_the_guests_fault() {
    let lab = Lab::new(1);
    let room = lab.function("i32.const 65530", "i32.const 0").unwrap();
    assert!(matches!(cause(&room), Cause::Trapped(_)));
    let negative = lab.function("i32.const -1", "i32.const 0").unwrap();
    assert!(matches!(cause(&negative), Cause::Trapped(_)));
    let answer = lab.function("i32.const 0", "i32.const -2").unwrap();
    assert!(matches!(cause(&answer), Cause::InvalidResponse(_)));
    let huge = lab.function("i32.const 0", "(i32.store (i32.const 0) (i32.const -1)) i32.const 0").unwrap();
    assert_eq!(cause(&huge), Cause::ResponseTooLarge(LIMITS.response_bytes));
}

#[test]
fn a_module_without_the_functions_exports_is_refused() {
    let lab = Lab::new(1);
    let (linked, artifact) = lab.link(&command(""));
    let Err(Cause::Artifact(reason)) = PreparedFunction::new(linked, artifact) else {
        panic!("a command was taken for a function")
    };
    assert!(reason.contains("isolab_request"), "{reason}");
}

#[test]
fn more_instances_than_slots_are_over_capacity_until_one_stops() {
    let prepared = Lab::new(1).function("i32.const 0", "i32.const 0").unwrap();
    // The second slot is the one in which snapshots are made.
    let first = start(&prepared).unwrap();
    let _second = start(&prepared).unwrap();
    let Err(error) = start(&prepared) else { panic!("a third instance was started") };
    assert!(matches!(error.cause, Cause::OverCapacity(_)), "{error}");
    drop(first);
    assert!(start(&prepared).is_ok());
}
