//! Instances beside each other, and handlers that misbehave.

use std::time::{Duration, Instant};

use crate::support::{answer, get, handler, invoke, open, prepare, start, stop};
use isolab_core::{Cause, Executor as _, Phase, Variant, conformance};
use rand::seq::SliceRandom as _;

const COUNT: &str = "let count = 0; export default { fetch() { return new Response(`${++count}`) } }";

#[tokio::test]
async fn many_live_on_one_thread_and_end_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let executor = open("v8", folder.path());
    let library = conformance::library().unwrap();
    let module = executor
        .prepare(library.get("remember").unwrap(), Variant::Rust, &mut isolab_core::Laps::begin())
        .await
        .unwrap();
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
                let response = invoke(&mut **instance, get("/")).await.unwrap();
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
    let function = handler(folder.path(), "deadline_ms = 50", source);
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let prepared = runtime().block_on(prepare(&executor, &function)).unwrap();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                runtime().block_on(async {
                    let mut neighbour = start(&*prepared).await;
                    for round in 1..=10 {
                        let mut spinning = start(&*prepared).await;
                        let error = invoke(&mut *spinning, get("/spin")).await.unwrap_err();
                        assert_eq!(error.cause, Cause::DeadlineExceeded(Duration::from_millis(50)));
                        let response = invoke(&mut *neighbour, get("/")).await.unwrap();
                        assert_eq!(*response.body(), round.to_string());
                        stop(spinning).await;
                    }
                    stop(neighbour).await;
                });
            });
        }
    });
}

#[tokio::test]
async fn a_deadline_is_neither_early_nor_much_late() {
    let begun = Instant::now();
    let spin = "export default { async fetch() { for (;;) await undefined } }";
    let error = answer("deadline_ms = 100", spin, get("/")).await.unwrap_err();
    assert_eq!(error.cause, Cause::DeadlineExceeded(Duration::from_millis(100)));
    let elapsed = begun.elapsed();
    assert!((Duration::from_millis(100)..Duration::from_secs(5)).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test]
async fn a_snapshot_is_made_once_and_again_if_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let function = handler(folder.path(), "", COUNT);
    let executor = open("v8", folder.path());
    let first = prepare(&executor, &function).await.unwrap();
    assert!(!first.artifact().cached);
    let second = prepare(&open("v8", folder.path()), &function).await.unwrap();
    assert!(second.artifact().cached);
    assert_eq!(second.artifact().source_digest, first.artifact().source_digest);

    let entries = folder.path().join("cache/v8-snapshot");
    let entry = std::fs::read_dir(entries).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entry, bytes).unwrap();
    let third = prepare(&executor, &function).await.unwrap();
    assert!(!third.artifact().cached);
    for prepared in [first, second, third] {
        let mut instance = start(&*prepared).await;
        assert_eq!(invoke(&mut *instance, get("/")).await.unwrap().body(), "1");
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_handler_that_cannot_be_evaluated_makes_no_artifact() {
    let refused = [
        ("export default {\n  fetch( {\n};", "handler.js:3:"),
        ("\nthrow new TypeError('at once');", "TypeError: at once\n    at handler.js:2:7"),
        ("await Promise.reject(new RangeError('late'));", "RangeError: late"),
        ("await new Promise(() => {});", "never settles"),
        ("import 'node:fs'; export default {};", "imports `node:fs`"),
        ("export const fetch = 1;", "no object with a function `fetch`"),
        ("export default { fetch: 1 };", "no object with a function `fetch`"),
    ];
    for spec in ["v8", "v8:snapshot=off"] {
        for (source, reason) in refused {
            let folder = tempfile::tempdir().unwrap();
            let function = handler(folder.path(), "", source);
            let error = prepare(&open(spec, folder.path()), &function).await.err().unwrap();
            let Cause::Artifact(text) = &error.cause else { panic!("{source}: {error}") };
            assert!(text.contains(reason), "{spec} {source}: {text}");
            assert_eq!(error.phase, Phase::Prepare);
        }
    }
}

#[tokio::test]
async fn evaluation_has_the_limits_of_the_function() {
    for (limits, source, expected) in [
        ("deadline_ms = 50", "for (;;);", Cause::DeadlineExceeded(Duration::from_millis(50))),
        (
            "memory_bytes = 33554432",
            "const hoard = []; for (;;) hoard.push([...Array(999).keys()]);",
            Cause::OutOfMemory(32 << 20),
        ),
    ] {
        let error = answer(limits, source, get("/")).await.unwrap_err();
        assert_eq!((error.phase, error.cause), (Phase::Prepare, expected), "{source}");
    }
}

#[tokio::test]
async fn what_a_handler_throws_is_told_with_its_place() {
    for (body, expected) in [
        ("throw new TypeError('no')", "TypeError: no\n    at Object.fetch (handler.js:1:"),
        ("return Promise.reject(new Error('later'))", "Error: later"),
        ("throw 'a text'", "a text"),
        ("throw { toString() { throw 1 } }", "[object Object]"),
        ("return new Promise(() => {})", "never settles"),
        ("return 1", "TypeError"),
        ("const f = () => f() + 1; f()", "RangeError: Maximum call stack size exceeded"),
        ("Error.prepareStackTrace = () => { throw 2 }; throw new Error('shy')", "shy"),
    ] {
        let source = format!("export default {{ fetch() {{ {body} }} }}");
        let error = answer("", &source, get("/")).await.unwrap_err();
        assert_eq!(error.phase, Phase::Invoke);
        let Cause::Trapped(text) = &error.cause else { panic!("{body}: {error}") };
        assert!(text.contains(expected), "{body}: {text}");
    }
}

#[tokio::test]
async fn memory_is_limited_wherever_it_lies() {
    for body in [
        "const hoard = []; for (;;) hoard.push(`${hoard.length}`.repeat(999).split('').join())",
        "const hoard = []; for (;;) hoard.push(new ArrayBuffer(1 << 22))",
        "const hoard = []; for (;;) hoard.push(new TextEncoder().encode('x'.repeat(1 << 20)))",
        "const hoard = []; for (;;) { const b = new ArrayBuffer(0, { maxByteLength: 1 << 22 }); b.resize(1 << 22); hoard.push(b) }",
        "return new Response(new Array(3e7).fill(1).join(''))",
        "let text = 'x'; for (;;) text = (text + text).replace('y', '')",
    ] {
        let source = format!("export default {{ async fetch() {{ {body} }} }}");
        let error = answer("memory_bytes = 33554432", &source, get("/")).await.unwrap_err();
        let expected = matches!(error.cause, Cause::OutOfMemory(_) | Cause::Trapped(_));
        assert!(expected && error.phase == Phase::Invoke, "{body}: {error}");
    }
}

#[tokio::test]
async fn intl_is_there_for_requests_but_in_no_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let request =
        "export default { fetch() { return new Response(new Intl.NumberFormat('en').format(1e3)) } }";
    let module = "const f = new Intl.NumberFormat('en'); export default { fetch() { return new Response(f.format(1e3)) } }";
    for (spec, source) in [("v8", request), ("v8:snapshot=off", request), ("v8:snapshot=off", module)] {
        let function = handler(folder.path(), "", source);
        let prepared = prepare(&open(spec, folder.path()), &function).await.unwrap();
        let mut instance = start(&*prepared).await;
        assert_eq!(invoke(&mut *instance, get("/")).await.unwrap().body(), "1,000");
        stop(instance).await;
    }
    let error = answer("", module, get("/")).await.unwrap_err();
    assert!(error.to_string().contains("within fetch, or v8:snapshot=off"), "{error}");
}

/// Its memories would not be limited.
#[tokio::test]
async fn handlers_have_no_wasm() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch() { return new Response(typeof WebAssembly) } }";
    for spec in ["v8", "v8:snapshot=off"] {
        let prepared =
            prepare(&open(spec, folder.path()), &handler(folder.path(), "", source)).await.unwrap();
        let mut instance = start(&*prepared).await;
        assert_eq!(invoke(&mut *instance, get("/")).await.unwrap().body(), "undefined");
        stop(instance).await;
    }
}

#[tokio::test]
async fn what_a_snapshot_holds_is_not_random_twice() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch() { return new Response(`${Math.random()}`) } }";
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let mut instance = start(&*prepared).await;
        numbers.push(invoke(&mut *instance, get("/")).await.unwrap().into_body());
        stop(instance).await;
    }
    assert_ne!(numbers[0], numbers[1]);
}

#[tokio::test]
async fn memory_grows_with_what_an_instance_holds() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch() { globalThis.kept = new Uint8Array(8 << 20).fill(1); return new Response() } }";
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let mut instance = start(&*prepared).await;
    let before = instance.memory().model_bytes.unwrap();
    invoke(&mut *instance, get("/")).await.unwrap();
    let after = instance.memory().model_bytes.unwrap();
    assert!(before > 0 && after >= before + (8 << 20), "{before} {after}");
    stop(instance).await;
}
