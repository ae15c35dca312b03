//! Guests that break a rule, under limits that are quick to reach.

mod outbound;
mod streaming;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use isolab_core::{
    Artifact, Cache, Cause, Environment, Error, Instance, Laps, Limits, Phase, Prepared, Request, Response,
    Spec,
};

use crate::command::PreparedCommand;
use crate::engine::{NAME, Reset, SETTINGS};
use crate::function::PreparedFunction;
use crate::rules::Rules;
use crate::sandbox::Linked;
use crate::setup::Setup;
use crate::ticker::Ticker;
use crate::wasi::WasiHost;
use crate::workshop::Workshop;

const DEADLINE: Duration = Duration::from_millis(30);
const MEMORY: u64 = 1 << 20;
const LIMITS: Limits =
    Limits { memory_bytes: MEMORY, deadline: DEADLINE, response_bytes: 1000, request_bytes: 1000 };

/// A function that does `request` and `handle` when its two exports are called.
fn function(request: &str, handle: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 1)
            (func (export "isolab_request") (param i32) (result i32) {request})
            (func $handle (export "isolab_handle") (result i32) {handle}))"#
    )
}

/// A command that can wait.
fn command(start: &str) -> String {
    straight_command(start).replace(
        "(module",
        r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#,
    )
}

/// A command that can only compute.
fn straight_command(start: &str) -> String {
    format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "_start") {start}))"#
    )
}

/// A workshop and its clock.
struct Lab {
    workshop: Workshop,
    ticker: Arc<Ticker>,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new(max_instances: usize) -> Self {
        Self::with(NAME, max_instances)
    }

    fn with(spec: &str, max_instances: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::with_key(folder.path().join("cache"), folder.path().join("key"));
        let spec = Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap();
        let environment = Environment {
            cache,
            run_id: "test".into(),
            max_instances,
            guest_cpu: None,
            hosts: BTreeMap::new(),
        };
        let workshop = Workshop::new(&spec, Reset::Scan, &environment).unwrap();
        let ticker = Arc::new(Ticker::start(vec![workshop.engine.clone()]).unwrap());
        Self { workshop, ticker, _folder: folder }
    }

    fn link(&self, text: &str) -> (Linked, Artifact) {
        self.link_with(text, LIMITS)
    }

    fn link_with(&self, text: &str, limits: Limits) -> (Linked, Artifact) {
        let wasm = wat::parse_str(text).unwrap();
        let compiled = self.workshop.compile(&wasm).unwrap();
        let rules = Rules::new(NAME.into(), "test", limits, Arc::clone(&self.ticker));
        let setup = Setup::of(&compiled.module, WasiHost::of(&wasm, false), None);
        let linked = self.workshop.link(&compiled.module, Arc::new(rules), setup).unwrap();
        let artifact = Artifact {
            kind: setup.artifact_kind(),
            source_digest: String::new(),
            bytes: compiled.bytes,
            cached: compiled.cached,
        };
        (linked, artifact)
    }

    fn function(&self, request: &str, handle: &str) -> Result<PreparedFunction, Cause> {
        let (linked, artifact) = self.link(&function(request, handle));
        PreparedFunction::new(linked, artifact, Bytes::new())
    }

    fn command(&self, start: &str) -> PreparedCommand {
        self.module(&command(start))
    }

    /// A command with this text.
    fn module(&self, text: &str) -> PreparedCommand {
        let (linked, artifact) = self.link(text);
        PreparedCommand::new(linked, artifact).unwrap()
    }

    fn refused(&self, text: &str) -> String {
        match self.workshop.compile(&wat::parse_str(text).unwrap()).err() {
            Some(Cause::Artifact(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }
}

/// Runs a future in a runtime of one thread.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn get() -> Request {
    Request::new(http::Method::GET, "/".parse().unwrap(), http::HeaderMap::new(), Bytes::new())
}

fn start(prepared: &dyn Prepared) -> Result<Box<dyn Instance>, Error> {
    wait_for(prepared.start(&mut Laps::begin()))
}

fn ask(prepared: &dyn Prepared) -> Result<Response, Error> {
    wait_for(start(prepared)?.invoke(get(), &mut Laps::begin()))
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
    assert_eq!(cause(&lab.module(&straight_command("(loop br 0)"))), Cause::DeadlineExceeded(DEADLINE));
    let spin = lab.function("i32.const 0", "(loop br 0) i32.const 0").unwrap();
    assert_eq!(cause(&spin), Cause::DeadlineExceeded(DEADLINE));
}

#[test]
fn an_endless_start_section_ends_at_the_deadline() {
    let lab = Lab::new(1);
    for text in [command(""), straight_command("")] {
        let text = text.replace("(memory", "(func $spin (loop br 0)) (start $spin) (memory");
        let error = ask(&lab.module(&text)).unwrap_err();
        assert_eq!((error.phase, error.cause), (Phase::Start, Cause::DeadlineExceeded(DEADLINE)));
    }
}

/// A function that does this when its instance starts.
fn with_initialization(lab: &Lab, form: &str) -> Result<PreparedFunction, Cause> {
    let text = function("i32.const 0", "i32.const 0");
    let initialize = format!(r#"(func (export "wizer-initialize") {form}) (func $handle"#);
    let (linked, artifact) = lab.link(&text.replace("(func $handle", &initialize));
    PreparedFunction::new(linked, artifact, Bytes::new())
}

#[test]
fn an_initialisation_that_traps_or_never_ends_is_an_error_of_its_phase() {
    let lab = Lab::new(1);
    let failed = |prepared: &PreparedFunction| {
        assert!(prepared.initializes());
        let error = start(prepared).err().expect("it does not start");
        let tried = prepared.try_start().expect_err("it does not start");
        assert_eq!((error.phase, tried.phase), (Phase::Start, Phase::Prepare));
        (error.cause, tried.cause)
    };
    let endless = with_initialization(&lab, "(loop br 0)").unwrap();
    let late = || Cause::DeadlineExceeded(DEADLINE);
    assert_eq!(failed(&endless), (late(), late()));
    let (started, tried) = failed(&with_initialization(&lab, "unreachable").unwrap());
    assert!(matches!(started, Cause::Trapped(_)), "{started}");
    let Cause::Artifact(reason) = tried else { panic!("{tried}") };
    assert!(reason.starts_with("the function cannot be initialised: "), "{reason}");
}

#[test]
fn an_initialisation_of_another_form_is_refused() {
    let refused = with_initialization(&Lab::new(1), "(param i32)");
    let Err(Cause::Artifact(reason)) = refused else { panic!("it was taken") };
    assert!(reason.contains("`wizer-initialize`"), "{reason}");
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

/// A command with these further memories and tables.
fn with_more(definitions: &str, start: &str) -> String {
    format!(
        r#"(module (memory $a (export "memory") 1) {definitions}
            (func $start (export "_start") {start}))"#
    )
}

/// The allocator that allows more than one memory or table.
const ON_DEMAND: &str = "wasm:allocator=ondemand";

#[test]
fn all_memories_of_an_instance_share_one_limit() {
    let lab = Lab::with(ON_DEMAND, 1);
    let grow = "(loop
        (br_if 0 (i32.ne (memory.grow $a (i32.const 1)) (i32.const -1)))
        (br_if 0 (i32.ne (memory.grow $b (i32.const 2)) (i32.const -1)))
        (br_if 0 (i64.ne (memory.grow $c (i64.const 1)) (i64.const -1))))";
    let sum = "(i32.add (i32.add (memory.size $a) (memory.size $b)) (i32.wrap_i64 (memory.size $c)))";
    let check = |pages: u32, definitions: &str| {
        let start = format!("{grow} (if (i32.ne {sum} (i32.const {pages})) (then unreachable))");
        let answer = ask(&lab.module(&with_more(definitions, &start)));
        assert!(answer.is_ok(), "{definitions}: {:?}", answer.err());
    };
    check(16, "(memory $b 0) (memory $c i64 3)");
    check(16, "(memory $b 1) (memory $c i64 1 2)");
    check(16, "(memory $b 5 5) (memory $c i64 9)");
    let trap = lab.module(&with_more("(memory $b 1) (memory $c i64 1)", &format!("{grow} unreachable")));
    assert_eq!(cause(&trap), Cause::OutOfMemory(MEMORY));
}

#[test]
fn memories_that_begin_beyond_the_limit_together_are_out_of_memory() {
    for definitions in
        ["(memory 8) (memory 8)", "(memory 15) (memory 1)", "(memory i64 16)", "(memory 65536)"]
    {
        let error = ask(&Lab::with(ON_DEMAND, 1).module(&with_more(definitions, ""))).unwrap_err();
        assert_eq!((error.phase, error.cause), (Phase::Start, Cause::OutOfMemory(MEMORY)), "{definitions}");
    }
}

/// The engine reports failed growths, also those that it never asked the limiter for.
#[test]
fn a_growth_that_fails_gives_nothing_back() {
    let fail = "(drop (memory.grow $b (i32.const 1)))
        (drop (memory.grow $b (i32.const -1)))
        (drop (memory.grow $c (i64.const -1)))
        (drop (table.grow $t (ref.null func) (i32.const -1)))";
    let grow = "(br_if 0 (i32.ne (memory.grow $a (i32.const 1)) (i32.const -1)))";
    let check = "(if (i32.gt_u (memory.size $a) (i32.const 15)) (then unreachable))";
    let definitions = "(memory $b 1 1) (memory $c i64 0) (table $t 1 1 funcref)";
    let prepared =
        Lab::with(ON_DEMAND, 1).module(&with_more(definitions, &format!("(loop {fail} {grow}) {check}")));
    assert!(ask(&prepared).is_ok());
}

#[test]
fn tables_count_against_the_memory_limit() {
    let lab = Lab::with(ON_DEMAND, 1);
    // 8,192 elements take as much as a page, and the memory has one page.
    let grow = "(loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 8192)) (i32.const -1))))
        (loop (br_if 0 (i32.ne (table.grow $u (ref.null func) (i32.const 8192)) (i32.const -1))))";
    let pages = "(i32.div_u (i32.add (table.size $t) (table.size $u)) (i32.const 8192))";
    let start = format!("{grow} (if (i32.ne {pages} (i32.const 15)) (then unreachable))");
    let definitions = "(table $t 0 funcref) (table $u 0 funcref)";
    assert!(ask(&lab.module(&with_more(definitions, &start))).is_ok());
    let trap = lab.module(&with_more(definitions, &format!("{grow} unreachable")));
    assert_eq!(cause(&trap), Cause::OutOfMemory(MEMORY));
    let start = with_more("(table 90000 funcref) (table 90000 funcref)", "");
    assert_eq!(cause(&lab.module(&start)), Cause::OutOfMemory(MEMORY));
}

#[test]
fn a_table_of_too_many_elements_is_refused() {
    for spec in [NAME, ON_DEMAND] {
        let lab = Lab::with(spec, 1);
        let grow = "(table.grow $t (ref.null func) (i32.const 0x7fffffff))";
        let start = format!("(if (i32.ne {grow} (i32.const -1)) (then unreachable))");
        assert!(ask(&lab.module(&with_more("(table $t 1 funcref)", &start))).is_ok(), "{spec}");
    }
}

/// The pool reserves one memory and one table for each instance.
#[test]
fn a_module_that_does_not_fit_the_pool_is_refused_with_the_setting_that_takes_it() {
    let lab = Lab::new(1);
    for definitions in ["(memory 0)", "(memory 0) (memory 0)", "(table 1 funcref) (table 1 funcref)"] {
        let reason = lab.refused(&with_more(definitions, ""));
        assert!(reason.contains("allocator=ondemand"), "{definitions}: {reason}");
    }
}

#[test]
fn a_module_with_a_hundred_memories_a_huge_table_or_shared_memory_is_refused() {
    let refused = |definitions: &str| Lab::with(ON_DEMAND, 1).refused(&with_more(definitions, ""));
    assert!(refused(&"(memory 0)".repeat(99)).contains("100 memories"));
    assert!(refused(&"(memory 0)".repeat(100)).contains("cannot be compiled"));
    assert!(refused("(table 100001 funcref)").contains("100001 elements"));
    assert!(refused("(memory 1 1 shared)").contains("threads"));
    for definitions in ["(table 100001 funcref)", "(memory 1 1 shared)"] {
        Lab::new(1).refused(&with_more(definitions, ""));
    }
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
    let Err(Cause::Artifact(reason)) = PreparedFunction::new(linked, artifact, Bytes::new()) else {
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
