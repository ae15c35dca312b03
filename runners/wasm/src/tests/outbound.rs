//! Outbound requests of guests that break the rules, and of hosts that do.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use isolab_core::function::{Grants, Host};
use isolab_core::{Cache, Cause, Environment, Laps, Limits, Prepared};
use isolab_sdk::{Request, wire};

use super::{DEADLINE, LIMITS, Lab, ask, cause, get, start, wait_for};
use crate::function::PreparedFunction;
use crate::rules::Rules;
use crate::setup::Setup;
use crate::waiting::Way;
use crate::wasi::WasiHost;

/// Limits that no test reaches.
const FAR: Limits = Limits { memory_bytes: 64 << 20, deadline: Duration::from_mins(1), ..LIMITS };

/// A host that serves each connection on a thread.
fn host(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A host that reads a head, and writes these bytes again and again, as often as they are taken.
fn flood(begin: &'static str, piece: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let written = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&written);
    let address = host(move |mut stream| {
        let _ = stream.read(&mut [0; 1 << 10]);
        let mut result = stream.write_all(begin.as_bytes());
        while result.is_ok() {
            result = stream.write_all(&piece);
            count.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    (address, written)
}

/// A host that never answers.
fn silent() -> SocketAddr {
    host(|mut stream| while stream.read(&mut [0; 1 << 10]).is_ok_and(|len| len > 0) {})
}

/// A function with the request `GET http://origin/` at 4096 in its memory. `$ask` sends it, and `$no` and
/// `$yes` trap unless a call was refused, or was not.
fn function(lab: &Lab, address: SocketAddr, limits: Limits, handle: &str) -> PreparedFunction {
    function_on(WasiHost::Light, lab, address, limits, handle)
}

/// The same with this host of WASI.
fn function_on(
    wasi: WasiHost,
    lab: &Lab,
    address: SocketAddr,
    limits: Limits,
    handle: &str,
) -> PreparedFunction {
    let import = match wasi {
        WasiHost::Light => "",
        WasiHost::Full => {
            r#"(import "wasi_snapshot_preview1" "fd_prestat_get" (func (param i32 i32) (result i32)))"#
        }
    };
    let mut request = Vec::new();
    let head = Request { method: "GET", path: "http://origin/", ..Request::default() };
    wire::encode_request(&head, &mut request);
    let data = request.iter().fold(String::new(), |text, byte| format!("{text}\\{byte:02x}"));
    let text = format!(
        r#"(module
            {import}
            (import "isolab_outbound" "send" (func $send (param i32 i32 i32) (result i32)))
            (import "isolab_outbound" "write" (func $write (param i32 i32 i32) (result i32)))
            (import "isolab_outbound" "end" (func $end (param i32) (result i32)))
            (import "isolab_outbound" "ready" (func $ready (param i32) (result i32)))
            (import "isolab_outbound" "head" (func $head (param i32 i32 i32) (result i32)))
            (import "isolab_outbound" "read" (func $read (param i32 i32 i32) (result i32)))
            (import "isolab_outbound" "close" (func $close (param i32)))
            (import "isolab_outbound" "reason" (func $reason (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 64) "\0c\00\00\00\c8\00\00\00\00\00\00\00\00\00\00\00")
            (data (i32.const 4096) "{data}")
            (func $ask (result i32) (call $send (i32.const 4096) (i32.const {}) (i32.const 0)))
            (func $no (param i32) (if (i32.ne (local.get 0) (i32.const -1)) (then (unreachable))))
            (func $yes (param i32) (if (i32.lt_s (local.get 0) (i32.const 0)) (then (unreachable))))
            (func (export "isolab_request") (param i32) (result i32) (i32.const 1024))
            (func (export "isolab_handle") (result i32) (local $i i32) (local $n i32)
                {handle} (i32.const 64)))"#,
        request.len()
    );
    let granted = Host { name: "origin".into(), port: 80 };
    let grants = Grants { hosts: vec![granted.clone()], ..Grants::default() };
    let place = std::env::temp_dir();
    let environment = Environment {
        cache: Cache::with_key(place.join("unused"), place.join("unused/key")),
        run_id: "test".into(),
        max_instances: 1,
        guest_cpu: None,
        hosts: BTreeMap::from([(granted, address)]),
    };
    let module = wat::parse_str(text).unwrap();
    let compiled = lab.workshop.compile(&module).unwrap();
    let rules = Rules::new("wasm".into(), "test", limits, Arc::clone(&lab.ticker));
    let rules = Arc::new(rules.granting(&grants, &environment).unwrap());
    let setup = Setup::of(&compiled.module, WasiHost::of(&module, false), None);
    assert_eq!(setup, Setup { way: Way::Waiting, wasi });
    let linked = lab.workshop.link(&compiled.module, rules, setup).unwrap();
    let artifact = isolab_core::Artifact {
        kind: setup.artifact_kind(),
        source_digest: String::new(),
        bytes: 0,
        cached: false,
    };
    PreparedFunction::new(linked, artifact, Bytes::new()).unwrap()
}

/// Answers what `$handle` does without a trap, twice on one instance.
fn passes(function: &PreparedFunction) {
    let instance = start(function).unwrap();
    for _ in 0..2 {
        let answered = wait_for(instance.invoke(get(), &mut Laps::begin()));
        assert_eq!(answered.unwrap().status(), 200);
    }
}

#[test]
fn bad_numbers_are_refused_and_bad_places_end_the_guest() {
    let lab = Lab::new(2);
    let address = silent();
    passes(&function(
        &lab,
        address,
        FAR,
        "(local.set $n (call $ask)) (call $close (local.get $n))
         (loop $again
            (call $no (call $ready (local.get $n)))
            (call $no (call $end (local.get $n)))
            (call $no (call $write (local.get $n) (i32.const 0) (i32.const 9)))
            (call $no (call $head (local.get $n) (i32.const 0) (i32.const 9)))
            (call $no (call $read (local.get $n) (i32.const 0) (i32.const 9)))
            (call $close (local.get $n))
            (call $no (call $send (i32.const 4096) (i32.const 7) (i32.const 0)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $again (i32.ge_s (local.get $n) (i32.const -2))))
         (call $no (call $read (i32.const 0x7fffffff) (i32.const 0) (i32.const 9)))
         (if (i32.ne (call $reason (i32.const 0) (i32.const 3)) (i32.const 3)) (then (unreachable)))",
    ));
    for bad in [
        "(drop (call $send (i32.const -1) (i32.const 9) (i32.const 0)))",
        "(drop (call $send (i32.const 65535) (i32.const 2) (i32.const 0)))",
        "(drop (call $write (call $ask) (i32.const 65536) (i32.const 1)))",
        "(drop (call $head (call $ask) (i32.const 65536) (i32.const -1)))",
        "(drop (call $read (call $ask) (i32.const -1) (i32.const -1)))",
        "(drop (call $reason (i32.const 65536) (i32.const 1)))",
    ] {
        let cause = cause(&function(&lab, address, FAR, bad));
        assert!(matches!(&cause, Cause::Trapped(text) if text.contains("out of bounds")), "{bad}: {cause}");
    }
}

#[test]
fn requests_in_flight_are_bounded_and_closed_ones_leave_nothing() {
    let lab = Lab::new(1);
    passes(&function(
        &lab,
        silent(),
        FAR,
        "(loop $again
            (call $close (call $ask))
            (br_if $again (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3000))))
         (local.set $i (i32.const 0))
         (loop $again
            (call $yes (call $ask))
            (br_if $again (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 256))))
         (call $no (call $ask))",
    ));
}

/// Each exchange takes 128 KiB of the limit, beside the page of the memory itself.
const FILLS_1_MIB: &str = "
    (loop $again
        (local.set $n (call $ask)) (call $yes (local.get $n))
        (br_if $again (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 7))))
    (call $no (call $ask))
    (call $close (local.get $n))
    (call $yes (call $ask))
    (call $no (call $ask))";

#[test]
fn requests_in_flight_take_memory_of_the_limit_until_they_end() {
    let lab = Lab::new(1);
    let limits = Limits { memory_bytes: 1 << 20, ..FAR };
    passes(&function(&lab, silent(), limits, FILLS_1_MIB));
}

#[test]
fn a_guest_of_the_full_host_has_outbound_requests_with_the_same_bounds() {
    let lab = Lab::new(1);
    let full = |limits, handle| function_on(WasiHost::Full, &lab, silent(), limits, handle);
    passes(&full(Limits { memory_bytes: 1 << 20, ..FAR }, FILLS_1_MIB));
    let waits = full(
        Limits { deadline: DEADLINE, ..FAR },
        "(drop (call $head (call $ask) (i32.const 0) (i32.const 9)))",
    );
    assert_eq!(cause(&waits), Cause::DeadlineExceeded(DEADLINE));
    let cause = cause(&full(FAR, "(drop (call $send (i32.const -1) (i32.const 9) (i32.const 0)))"));
    assert!(matches!(&cause, Cause::Trapped(text) if text.contains("out of bounds")), "{cause}");
}

#[test]
fn a_wait_ends_at_the_deadline() {
    let lab = Lab::new(1);
    let limits = Limits { deadline: DEADLINE, ..FAR };
    let (endless, _) = flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\na\r\n".to_vec());
    for (address, handle) in [
        (silent(), "(drop (call $head (call $ask) (i32.const 0) (i32.const 9)))"),
        (silent(), "(drop (call $read (call $ask) (i32.const 0) (i32.const 9)))"),
        (silent(), "(drop (call $ready (call $ask)))"),
        (
            endless,
            "(local.set $n (call $ask)) (loop (call $yes (call $read (local.get $n) (i32.const 0) (i32.const 9))) (br 0))",
        ),
        // A host that takes nothing.
        (
            silent_and_full(),
            // With the method PUT: a GET has no body that flows.
            "(i32.store16 (i32.const 4100) (i32.const 0x5550))
             (local.set $n (call $send (i32.const 4096) (i32.const 37) (i32.const 1)))
             (loop (call $yes (call $write (local.get $n) (i32.const 8192) (i32.const 32768))) (br 0))",
        ),
    ] {
        let cause = cause(&function(&lab, address, limits, handle));
        assert_eq!(cause, Cause::DeadlineExceeded(DEADLINE), "{handle}");
    }
}

/// A host that accepts connections and reads nothing.
fn silent_and_full() -> SocketAddr {
    host(|stream| {
        let _held = stream;
        std::thread::park();
    })
}

#[test]
fn a_head_without_end_is_refused() {
    let lab = Lab::new(1);
    let (address, written) = flood("HTTP/1.1 200 OK\r\nx: ", vec![b'x'; 1 << 20]);
    let handle = "(local.set $n (call $ask))
        (call $no (call $head (local.get $n) (i32.const 0) (i32.const 9)))
        (call $no (call $read (local.get $n) (i32.const 0) (i32.const 9)))";
    ask(&function(&lab, address, FAR, handle)).unwrap();
    assert!(written.load(Ordering::SeqCst) < 64 << 20);
}

/// The kernel's own buffers hold some megabytes of a connection.
#[test]
fn nothing_is_read_of_an_answer_that_the_guest_does_not_read() {
    let lab = Lab::new(1);
    let (address, written) = flood("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 1 << 16]);
    let limits = Limits { deadline: Duration::from_millis(500), ..FAR };
    let handle = "(local.set $n (call $ask))
        (call $yes (call $head (local.get $n) (i32.const 0) (i32.const 4096)))
        (call $yes (call $ready (local.get $n)))
        (loop (br 0))";
    assert_eq!(cause(&function(&lab, address, limits, handle)), Cause::DeadlineExceeded(limits.deadline));
    assert!(written.load(Ordering::SeqCst) < 32 << 20, "{}", written.load(Ordering::SeqCst));
}

/// An initialisation in `prepare` runs straight, and has no request to send for.
#[test]
fn a_guest_that_runs_straight_sends_nothing() {
    let lab = Lab::new(1);
    let text = r#"(module
        (import "isolab_outbound" "send" (func $send (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "isolab_request") (param i32) (result i32) (i32.const 0))
        (func (export "isolab_handle") (result i32) (i32.const 0))
        (func (export "wizer-initialize")
            (if (i32.ne (call $send (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const -1))
                (then (unreachable)))))"#;
    let compiled = lab.workshop.compile(&wat::parse_str(text).unwrap()).unwrap();
    let rules = Arc::new(Rules::new("wasm".into(), "test", FAR, Arc::clone(&lab.ticker)));
    let linked = lab.workshop.link(&compiled.module, rules, Setup::STRAIGHT).unwrap();
    let artifact = isolab_core::Artifact {
        kind: Setup::STRAIGHT.artifact_kind(),
        source_digest: String::new(),
        bytes: 0,
        cached: false,
    };
    let prepared = PreparedFunction::new(linked, artifact, Bytes::new()).unwrap();
    prepared.try_start().unwrap();
    assert!(!prepared.streams());
}
