//! Guests that wait or compute for long, on one thread.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{join_all, select};
use futures_util::{FutureExt, pin_mut};
use isolab_core::{Cause, Instance, Laps, Limits, Prepared};

use super::{LIMITS, Lab, ask, command, function, get, wait_for};
use crate::command::PreparedCommand;
use crate::function::PreparedFunction;

/// Limits that no test reaches.
const FAR: Limits = Limits { deadline: Duration::from_mins(1), ..LIMITS };

const SPECS: [&str; 4] = ["wasm", "wasm:allocator=ondemand", "wasm:compiler=winch", "wasm:compiler=pulley"];

/// Waits for this many nanoseconds of the monotonic clock. Leaves the error number on the stack.
fn sleep(nanoseconds: u64) -> String {
    format!(
        "(i32.store (i32.const 1016) (i32.const 1))
        (i64.store (i32.const 1024) (i64.const {nanoseconds}))
        (call $poll (i32.const 1000) (i32.const 1064) (i32.const 1) (i32.const 1128))"
    )
}

/// A function that can wait, whose answer is empty.
fn waiting_function(lab: &Lab, handle: &str, limits: Limits) -> PreparedFunction {
    // The response of 12 bytes: status 200, no headers, an empty body.
    let answer =
        "(i32.store (i32.const 64) (i32.const 12)) (i32.store (i32.const 68) (i32.const 200)) i32.const 64";
    let text = function("i32.const 2048", &format!("{handle} {answer}")).replace(
        "(module",
        r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#,
    );
    let (linked, artifact) = lab.link_with(&text, limits);
    assert_eq!(artifact.kind, "compiled module that can wait");
    PreparedFunction::new(linked, artifact, Bytes::new()).unwrap()
}

fn waiting_command(lab: &Lab, start: &str, limits: Limits) -> PreparedCommand {
    let (linked, artifact) = lab.link_with(&command(start), limits);
    PreparedCommand::new(linked, artifact).unwrap()
}

async fn start(prepared: &dyn Prepared) -> Box<dyn Instance> {
    prepared.start(&mut Laps::begin()).await.unwrap()
}

#[test]
fn a_module_that_does_not_import_the_function_that_waits_runs_straight() {
    let lab = Lab::new(1);
    let (linked, artifact) = lab.link(&function("i32.const 0", "i32.const 0"));
    assert_eq!(artifact.kind, "compiled module");
    let prepared = PreparedFunction::new(linked, artifact, Bytes::new()).unwrap();
    // No runtime is needed, and nothing is left for a second poll.
    let instance = prepared.start(&mut Laps::begin()).now_or_never().unwrap().unwrap();
    assert!(instance.invoke(get(), &mut Laps::begin()).now_or_never().is_some());
}

#[test]
fn many_instances_wait_at_the_same_time_on_one_thread() {
    const INSTANCES: usize = 64;

    for spec in SPECS {
        let lab = Lab::with(spec, INSTANCES);
        let prepared = waiting_function(&lab, &format!("(drop {})", sleep(20_000_000)), FAR);
        let (in_flight, most) = (Cell::new(0), Cell::new(0));
        let answer = async || {
            let instance = start(&prepared).await;
            in_flight.set(in_flight.get() + 1);
            most.set(most.get().max(in_flight.get()));
            let answered = instance.invoke(get(), &mut Laps::begin()).await;
            in_flight.set(in_flight.get() - 1);
            answered.unwrap().status().as_u16()
        };
        let answers = wait_for(join_all((0..INSTANCES).map(|_| answer())));
        assert_eq!((answers, most.get()), (vec![200; INSTANCES], INSTANCES), "{spec}");
    }
}

#[test]
fn a_warm_instance_waits_again_and_again() {
    let lab = Lab::new(1);
    let prepared = waiting_function(&lab, &format!("(drop {})", sleep(1_000_000)), FAR);
    wait_for(async {
        let instance = start(&prepared).await;
        for _ in 0..20 {
            assert_eq!(instance.invoke(get(), &mut Laps::begin()).await.unwrap().status(), 200);
        }
        assert_eq!(instance.memory().model_bytes, Some(1 << 16));
    });
}

/// Whether another future of the same thread can end before an endless guest does.
fn lets_others_run(prepared: &dyn Prepared) -> bool {
    wait_for(async {
        let instance = start(prepared).await;
        let mut laps = Laps::begin();
        let guest = instance.invoke(get(), &mut laps);
        let other = async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        pin_mut!(guest, other);
        matches!(select(guest, other).await, futures_util::future::Either::Right(_))
    })
}

#[test]
fn a_guest_that_computes_yields_to_others() {
    for spec in SPECS {
        let lab = Lab::with(spec, 1);
        assert!(lets_others_run(&waiting_function(&lab, "(loop br 0)", FAR)), "{spec}");
        assert!(lets_others_run(&waiting_command(&lab, "(loop br 0)", FAR)), "{spec}");
    }
}

#[test]
fn endless_waits_of_no_length_yield_and_end_at_the_deadline() {
    let lab = Lab::new(1);
    for nanoseconds in [0, 1] {
        let endless = format!("(loop (drop {}) (br 0))", sleep(nanoseconds));
        assert!(lets_others_run(&waiting_command(&lab, &endless, FAR)));
        let begun = Instant::now();
        let error = ask(&waiting_command(&lab, &endless, LIMITS)).unwrap_err();
        assert_eq!(error.cause, Cause::DeadlineExceeded(LIMITS.deadline));
        assert!(begun.elapsed() >= LIMITS.deadline);
    }
}

#[test]
fn the_deadline_holds_for_waits_and_computation_together() {
    let lab = Lab::new(1);
    let compute = "(local.set $i (i32.const 1000000))
        (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))";
    let forms = [
        sleep(u64::MAX),
        format!("(loop $w (drop {}) {compute} (br $w)) i32.const 0", sleep(1_000_000)),
        format!("(drop {}) (loop br 0) i32.const 0", sleep(1_000_000)),
    ];
    for form in forms {
        let prepared = waiting_command(&lab, &format!("(local $i i32) (drop {form})"), LIMITS);
        let begun = Instant::now();
        let error = ask(&prepared).unwrap_err();
        assert_eq!(error.cause, Cause::DeadlineExceeded(LIMITS.deadline), "{form}");
        assert!(begun.elapsed() >= LIMITS.deadline && !error.spares_instance);
    }
}

/// Polls an invocation until it waits or has yielded, and drops it.
async fn give_up(instance: &dyn Instance) {
    let mut laps = Laps::begin();
    let mut invocation = instance.invoke(get(), &mut laps);
    let is_pending = poll_fn(|context| Poll::Ready(invocation.as_mut().poll(context).is_pending())).await;
    assert!(is_pending);
}

#[test]
fn a_guest_that_is_given_up_ends_and_leaves_nothing() {
    for spec in SPECS {
        // Two slots, one of them for a snapshot.
        let lab = Lab::with(spec, 1);
        for handle in [format!("(drop {})", sleep(3_600_000_000_000)), "(loop br 0)".to_owned()] {
            let prepared = waiting_function(&lab, &handle, FAR);
            let rules = prepared.rules();
            wait_for(async {
                for _ in 0..8 {
                    let instance = start(&prepared).await;
                    give_up(&*instance).await;
                    let error = instance.invoke(get(), &mut Laps::begin()).await.unwrap_err();
                    assert!(matches!(error.cause, Cause::Internal(_)), "{error}");
                    assert_eq!(instance.memory().model_bytes, None);
                }
            });
            // Held by the function and by this test.
            assert_eq!(Arc::strong_count(&rules), 2, "{spec}");
        }
    }
}

#[test]
fn endless_recursion_is_a_trap_also_with_calls_of_the_host_at_every_depth() {
    for spec in SPECS {
        let lab = Lab::with(spec, 1);
        let host = format!("(drop {})", sleep(0));
        for at_every_depth in ["", &host] {
            let recurse = format!("{at_every_depth} (drop (call $handle))");
            for _ in 0..3 {
                let error = ask(&waiting_function(&lab, &recurse, FAR)).unwrap_err();
                let Cause::Trapped(reason) = &error.cause else { panic!("{spec}: {error}") };
                assert!(reason.contains("stack"), "{reason}");
            }
            assert!(ask(&waiting_function(&lab, "", FAR)).is_ok());
        }
    }
}

#[test]
fn the_first_of_several_events_ends_a_wait_and_bad_addresses_do_not() {
    let lab = Lab::new(1);
    // An hour beside a millisecond: one event, of the second subscription.
    let several = "(i64.store (i32.const 1000) (i64.const 7)) (i64.store (i32.const 1048) (i64.const 8))
        (i32.store (i32.const 1016) (i32.const 1)) (i32.store (i32.const 1064) (i32.const 1))
        (i64.store (i32.const 1024) (i64.const 3600000000000)) (i64.store (i32.const 1072) (i64.const 1000000))
        (if (call $poll (i32.const 1000) (i32.const 2000) (i32.const 2) (i32.const 3000)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 3000)) (i32.const 1)) (then unreachable))
        (if (i64.ne (i64.load (i32.const 2000)) (i64.const 8)) (then unreachable))";
    let answered = ask(&waiting_command(&lab, several, FAR));
    assert!(answered.is_ok(), "{:?}", answered.err());
    // EFAULT is 21, EINVAL 28.
    for (parameters, errno) in [
        ("(i32.const -1) (i32.const 0) (i32.const 1) (i32.const 0)", 21),
        ("(i32.const 65500) (i32.const 0) (i32.const 1) (i32.const 0)", 21),
        ("(i32.const 0) (i32.const 65530) (i32.const 1) (i32.const 0)", 21),
        ("(i32.const 0) (i32.const 0) (i32.const 1) (i32.const -2)", 21),
        ("(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)", 28),
        ("(i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)", 28),
    ] {
        let checks =
            format!("(if (i32.ne (call $poll {parameters}) (i32.const {errno})) (then unreachable))");
        let answered = ask(&waiting_command(&lab, &checks, FAR));
        assert!(answered.is_ok(), "{parameters}: {:?}", answered.err());
    }
}

#[test]
fn an_initialisation_may_wait_in_each_start_and_ends_at_the_deadline() {
    let lab = Lab::new(1);
    let with_initialization = |body: &str, limits| {
        let initialize = format!(r#"(func (export "wizer-initialize") {body}) (func $handle"#);
        let text = function("i32.const 0", "i32.const 0").replace("(func $handle", &initialize).replace(
            "(module",
            r#"(module
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#,
        );
        let (linked, artifact) = lab.link_with(&text, limits);
        PreparedFunction::new(linked, artifact, Bytes::new()).unwrap()
    };
    let short = with_initialization(&format!("(drop {})", sleep(1_000_000)), FAR);
    wait_for(async { drop(start(&short).await) });
    let long = with_initialization(&format!("(drop {})", sleep(u64::MAX)), LIMITS);
    let error = wait_for(long.start(&mut Laps::begin())).err().unwrap();
    assert_eq!(error.cause, Cause::DeadlineExceeded(LIMITS.deadline));
}
