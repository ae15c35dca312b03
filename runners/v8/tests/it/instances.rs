//! Many instances beside each other.

use std::time::Duration;

use isolab_core::{Cause, Executor as _, Laps, Variant, conformance};
use rand::seq::SliceRandom as _;

use crate::support::{get, handler, invoke, open, prepare, start, stop, try_open};

const COUNT: &str = "let count = 0; export default { fetch() { return new Response(`${++count}`) } }";

#[tokio::test]
async fn many_live_on_one_thread_and_end_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let executor = open("v8", folder.path());
    let library = conformance::library().unwrap();
    let module =
        executor.prepare(library.get("remember").unwrap(), Variant::Rust, &mut Laps::begin()).await.unwrap();
    let handler = prepare(&executor, &handler(folder.path(), "", COUNT)).await.unwrap();
    for _ in 0..3 {
        let mut live = Vec::new();
        for _ in 0..5 {
            live.push((start(&*handler).await, 0));
            live.push((start(&*module).await, 0));
        }
        while !live.is_empty() {
            live.shuffle(&mut rand::rng());
            for (instance, count) in &mut live {
                *count += 1;
                let response = invoke(&**instance, get("/")).await.unwrap();
                assert_eq!(*response.body(), count.to_string());
            }
            stop(live.pop().unwrap().0).await;
        }
    }
}

#[test]
fn threads_have_instances_of_their_own_and_errors_stay_on_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let source = "let count = 0; export default { fetch(request) { if (request.url.endsWith('spin')) for (;;); return new Response(`${++count}`) } }";
    let executor = open("v8", folder.path());
    let function = handler(folder.path(), "deadline_ms = 1000", source);
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let prepared = runtime().block_on(prepare(&executor, &function)).unwrap();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                runtime().block_on(async {
                    let neighbour = start(&*prepared).await;
                    for round in 1..=3 {
                        let spinning = start(&*prepared).await;
                        let error = invoke(&*spinning, get("/spin")).await.unwrap_err();
                        assert_eq!(error.cause, Cause::DeadlineExceeded(Duration::from_secs(1)));
                        let response = invoke(&*neighbour, get("/")).await.unwrap();
                        assert_eq!(*response.body(), round.to_string());
                        stop(spinning).await;
                    }
                    stop(neighbour).await;
                });
            });
        }
    });
}

#[test]
fn an_executor_with_other_flags_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    drop(open("v8", folder.path()));
    let Err(error) = try_open("v8:jit=off", folder.path()) else { panic!("V8's flags hold for the process") };
    assert!(matches!(&error.cause, Cause::Unavailable(reason) if reason.contains("`jit=on`")), "{error}");
}

#[test]
fn pointers_that_this_binary_does_not_have_are_refused_with_the_way_to_have_them() {
    let [other, own] =
        if cfg!(feature = "pointer-compression") { ["full", "compressed"] } else { ["compressed", "full"] };
    let folder = tempfile::tempdir().unwrap();
    let Err(error) = try_open(&format!("v8:pointers={other}"), folder.path()) else {
        panic!("it has one kind")
    };
    assert!(matches!(&error.cause, Cause::Unavailable(reason) if reason.contains(own)), "{error}");
    assert!(error.hint.unwrap().contains("pointer-compression"));
}

/// The tests of `jitless` have the other half.
#[tokio::test]
async fn with_machine_code_there_is_memory_that_is_executable_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let handler = prepare(&open("v8", folder.path()), &handler(folder.path(), "", COUNT)).await.unwrap();
    let instance = start(&*handler).await;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_code = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1].contains('x') && fields.get(5).is_none_or(|path| !path.starts_with(['/', '[']))
    };
    assert!(maps.lines().any(is_code), "{maps}");
    stop(instance).await;
}
