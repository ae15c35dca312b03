//! Functions whose bodies flow, on either host of WASI: pieces, and guests and clients that break the rules.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use futures_util::{StreamExt, stream};
use isolab_core::conformance::streamed;
use isolab_core::streams::{Broken, Pieces, Streams};
use isolab_core::{Cause, Error, Instance, Laps, Limits, Prepared, Response};

use super::{LIMITS, Lab, get, wait_for};
use crate::function::PreparedFunction;
use crate::wasi::WasiHost;

/// A head: its length, status 200, no headers, no body.
const HEAD: &str = "\\0c\\00\\00\\00\\c8\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00";

/// Writes that head.
const BEGIN: &str = "(drop (call $out (i32.const 64) (i32.const 16)))";

/// Passes each piece on as it comes, and fails if one cannot be read or written.
const ECHO: &str = "(loop $again
    (if (call $in (i32.const 4096) (i32.const 512)) (then (return (i32.const 512))))
    (if (call $count) (then
        (if (call $out (i32.const 4096) (call $count)) (then (return (i32.const 512))))
        (br $again))))";

/// Writes 64 KiB again and again, whatever happens.
const FLOOD: &str = "(loop $again (drop (call $out (i32.const 4096) (i32.const 65536))) (br $again))";

/// Limits that no test reaches.
const FAR: Limits = Limits { deadline: Duration::from_mins(1), ..LIMITS };

/// A place for functions of one host of WASI.
struct Place {
    lab: Lab,
    wasi: WasiHost,
}

/// Does the same with either host.
fn on_each_host(test: impl Fn(&Place)) {
    for wasi in [WasiHost::Light, WasiHost::Full] {
        test(&Place { lab: Lab::new(1), wasi });
    }
}

/// A function with this at 64 in its memory, and a text about its failure at 512.
fn function_with(place: &Place, head: &str, stream: &str, limits: Limits) -> PreparedFunction {
    let (import, kind) = match place.wasi {
        WasiHost::Light => ("", "compiled module that streams"),
        WasiHost::Full => (
            r#"(import "wasi_snapshot_preview1" "fd_prestat_get" (func (param i32 i32) (result i32)))"#,
            "compiled module that streams, with all of WASI",
        ),
    };
    let text = format!(
        r#"(module
            {import}
            (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 4)
            (data (i32.const 64) "{head}")
            (data (i32.const 512) "\02\00\00\00no")
            (func $buffer (param i32 i32)
                (i32.store (i32.const 1000) (local.get 0)) (i32.store (i32.const 1004) (local.get 1)))
            (func $in (param i32 i32) (result i32)
                (call $buffer (local.get 0) (local.get 1))
                (call $read (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 1008)))
            (func $out (param i32 i32) (result i32)
                (call $buffer (local.get 0) (local.get 1))
                (call $write (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const 1008)))
            (func $count (result i32) (i32.load (i32.const 1008)))
            (func (export "isolab_request") (param i32) (result i32) i32.const 2048)
            (func (export "isolab_handle") (result i32) unreachable)
            (func (export "isolab_stream") (result i32) {stream} (i32.const 0)))"#
    );
    let (linked, artifact) = place.lab.link_with(&text, limits);
    assert_eq!(artifact.kind, kind);
    PreparedFunction::new(linked, artifact, Bytes::new()).unwrap()
}

fn function(place: &Place, stream: &str) -> PreparedFunction {
    function_with(place, HEAD, stream, FAR)
}

fn pieces(texts: &'static [&'static str]) -> Pieces {
    stream::iter(texts).map(|text| Ok(Bytes::from(*text))).boxed()
}

/// A body that does not go on after these pieces.
fn stalled(texts: &'static [&'static str]) -> Pieces {
    pieces(texts).chain(stream::pending()).boxed()
}

fn broken(texts: &'static [&'static str]) -> Pieces {
    let end = stream::iter([Err(Broken("the client has left".into()))]);
    pieces(texts).chain(end).boxed()
}

async fn start(prepared: &dyn Prepared) -> Box<dyn Instance> {
    assert!(prepared.streams());
    prepared.start(&mut Laps::begin()).await.unwrap()
}

fn ask(prepared: &dyn Prepared, rest: impl Into<Option<Pieces>>) -> Result<Response, Error> {
    wait_for(async { streamed::ask_with(&*start(prepared).await, get(), rest.into()).await })
}

#[test]
fn pieces_pass_through_a_guest() {
    on_each_host(|place| {
        let prepared = function(place, &format!("{BEGIN} {ECHO}"));
        wait_for(async {
            let instance = start(&prepared).await;
            for (first, rest, expected) in [
                ("", None, ""),
                ("whole", None, "whole"),
                ("", Some(pieces(&["a", "", "b"])), "ab"),
                ("first ", Some(pieces(&["second ", "third"])), "first second third"),
            ] {
                let mut request = get();
                request.body = first.into();
                let response = streamed::ask_with(&*instance, request, rest).await.unwrap();
                assert_eq!(
                    (response.status().as_u16(), response.body().as_ref()),
                    (200, expected.as_bytes())
                );
            }
        });
    });
}

#[test]
fn a_piece_is_answered_before_the_next_one_comes() {
    on_each_host(|place| {
        let prepared = function(place, &format!("{BEGIN} {ECHO}"));
        wait_for(async {
            let instance = start(&prepared).await;
            let streams = Streams { rest: Some(stalled(&["a"])), ..Streams::default() };
            let outlet = Rc::clone(&streams.outlet);
            let mut laps = Laps::begin();
            let mut invocation = instance.stream(get(), streams, &mut laps);
            let mut begun = loop {
                assert!(futures_util::poll!(invocation.as_mut()).is_pending());
                if let Some(begun) = outlet.take() {
                    break begun;
                }
            };
            let answered = async { invocation.await.map(|_| ()) };
            let piece = async { begun.pieces.recv().await };
            futures_util::pin_mut!(answered, piece);
            let first = futures_util::future::select(answered, piece).await;
            let futures_util::future::Either::Right((piece, _)) = first else { panic!("it ended") };
            assert_eq!(piece, Some("a".into()));
        });
    });
}

#[test]
fn a_bad_head_is_not_an_answer() {
    on_each_host(|place| {
        for (head, reason) in [
            ("\\ff\\ff\\ff\\ff", "its head is larger than"),
            ("\\00\\00\\00\\00", "the message ends in the middle"),
            ("\\0c\\00\\00\\00\\00\\00\\00\\00", "its head is not that of an answer"),
            ("\\0c\\00\\00\\00\\63\\00\\00\\00", "the status 99 is not"),
            (
                "\\0d\\00\\00\\00\\c8\\00\\00\\00\\00\\00\\00\\00\\01\\00\\00\\00x",
                "its head is not that of an answer",
            ),
            ("\\0c\\00\\00\\00\\c8\\00\\00\\00\\ff\\ff\\ff\\ff", "the message ends in the middle"),
        ] {
            let prepared =
                function_with(place, head, "(drop (call $out (i32.const 64) (i32.const 17)))", FAR);
            let error = ask(&prepared, None).unwrap_err();
            let Cause::InvalidResponse(text) = &error.cause else { panic!("{head}: {error}") };
            assert!(text.contains(reason), "{head}: {text}");
        }
    });
}

#[test]
fn a_guest_that_ends_before_its_head_is_whole_has_not_answered() {
    on_each_host(|place| {
        for stream in ["", "(drop (call $out (i32.const 64) (i32.const 15)))"] {
            let cause = ask(&function(place, stream), None).unwrap_err().cause;
            let expected = "the function ended and had not begun its answer";
            assert_eq!(cause, Cause::InvalidResponse(expected.into()));
        }
    });
}

#[test]
fn a_guest_may_write_its_head_byte_by_byte() {
    on_each_host(|place| {
        let bytes = (64..80).map(|at| format!("(drop (call $out (i32.const {at}) (i32.const 1)))"));
        let prepared = function(place, &(bytes.collect::<String>() + ECHO));
        assert_eq!(ask(&prepared, pieces(&["a"])).unwrap().body(), "a");
    });
}

#[test]
fn a_guest_that_fails_spares_its_instance() {
    on_each_host(|place| {
        let prepared = function(place, &format!("{BEGIN} {ECHO}"));
        wait_for(async {
            let instance = start(&prepared).await;
            let error = streamed::ask_with(&*instance, get(), Some(broken(&["a"]))).await.unwrap_err();
            assert_eq!(error.cause, Cause::Threw("no: the client has left".into()));
            assert!(error.spares_instance);
            assert_eq!(
                streamed::ask_with(&*instance, get(), Some(pieces(&["b"]))).await.unwrap().body(),
                "b"
            );
        });
        let outside = ask(&function(place, "(return (i32.const -1))"), None).unwrap_err();
        assert!(matches!(outside.cause, Cause::Trapped(_)), "{outside}");
    });
}

#[test]
fn a_client_that_leaves_ends_the_guests_writes() {
    on_each_host(|place| {
        let prepared = function(
            place,
            &format!(
                "{BEGIN} (loop $again (br_if $again (i32.eqz
        (call $out (i32.const 4096) (i32.const 10)))))
        (if (i32.ne (i32.const 64) (call $out (i32.const 4096) (i32.const 10))) (then unreachable))"
            ),
        );
        let answered = wait_for(async {
            let instance = start(&prepared).await;
            let streams = Streams::default();
            let outlet = Rc::clone(&streams.outlet);
            let leave = async {
                let mut begun = loop {
                    match outlet.take() {
                        Some(begun) => break begun,
                        None => tokio::task::yield_now().await,
                    }
                };
                begun.pieces.recv().await
            };
            let mut laps = Laps::begin();
            join(instance.stream(get(), streams, &mut laps), leave).await.0
        });
        // EPIPE is 64: the guest was told, and ended by itself.
        assert!(matches!(answered, Ok(None)), "{answered:?}");
    });
}

#[test]
fn an_endless_answer_ends_at_its_limit_or_at_the_deadline() {
    on_each_host(|place| {
        let flood = format!("{BEGIN} {FLOOD}");
        let error = ask(&function(place, &flood), None).unwrap_err();
        assert_eq!(error.cause, Cause::ResponseTooLarge(FAR.response_bytes));
        let endless = Limits { response_bytes: u64::MAX, ..LIMITS };
        let error = ask(&function_with(place, HEAD, &flood, endless), None).unwrap_err();
        assert_eq!(error.cause, Cause::DeadlineExceeded(LIMITS.deadline));
        // Nobody takes a piece.
        let prepared = function_with(place, HEAD, &flood, endless);
        let answered = wait_for(async {
            start(&prepared).await.stream(get(), Streams::default(), &mut Laps::begin()).await
        });
        assert_eq!(answered.unwrap_err().cause, Cause::DeadlineExceeded(LIMITS.deadline));
    });
}

#[test]
fn a_body_that_does_not_go_on_ends_at_the_deadline() {
    on_each_host(|place| {
        let prepared = function_with(place, HEAD, &format!("{BEGIN} {ECHO}"), LIMITS);
        let error = ask(&prepared, stalled(&["a"])).unwrap_err();
        assert_eq!(error.cause, Cause::DeadlineExceeded(LIMITS.deadline));
    });
}

#[test]
fn a_guest_that_reads_and_writes_without_end_lets_others_run() {
    on_each_host(|place| {
        let endless = Limits { response_bytes: u64::MAX, ..FAR };
        let spin =
            format!("{BEGIN} (loop $again (drop (call $in (i32.const 4096) (i32.const 0))) (br $again))");
        for stream in [format!("{BEGIN} {ECHO}"), spin, format!("{BEGIN} {FLOOD}")] {
            let prepared = function_with(place, HEAD, &stream, endless);
            wait_for(async {
                let instance = start(&prepared).await;
                let body: Pieces = stream::repeat_with(|| Ok(Bytes::from("endless"))).boxed();
                let asked = streamed::ask_with(&*instance, get(), Some(body));
                let other = tokio::time::sleep(Duration::from_millis(1));
                futures_util::pin_mut!(asked, other);
                let first = futures_util::future::select(asked, other).await;
                assert!(matches!(first, futures_util::future::Either::Right(_)), "{stream}");
            });
        }
    });
}

/// The full host ends a guest that has a bad address, as `wasmtime-wasi` does.
#[test]
fn bad_addresses_are_the_guests_fault_and_no_byte_is_lost_or_sent() {
    let place = Place { lab: Lab::new(1), wasi: WasiHost::Light };
    let bad = "(if (i32.ne (i32.const 21) (call $write
            (i32.const 1) (i32.const 1000) (i32.const 1) (i32.const -1))) (then unreachable))
        (if (i32.ne (i32.const 21) (call $out (i32.const -8) (i32.const 100))) (then unreachable))
        (if (i32.ne (i32.const 21) (call $in (i32.const -8) (i32.const 100))) (then unreachable))
        (if (i32.ne (i32.const 21) (call $read
            (i32.const 0) (i32.const 64) (i32.const 1) (i32.const -2))) (then unreachable))
        (if (i32.ne (i32.const 8) (call $read
            (i32.const 3) (i32.const 1000) (i32.const 1) (i32.const 1008))) (then unreachable))";
    let prepared = function(&place, &format!("{BEGIN} {bad} {ECHO}"));
    assert_eq!(ask(&prepared, pieces(&["all"])).unwrap().body(), "all");
}
