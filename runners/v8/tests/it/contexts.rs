//! Instances that are contexts of one isolate: `boundary=context`.

use std::time::Duration;

use isolab_core::{Cause, Executor as _, Instance, Response, Variant, conformance};

use crate::support::{get, handler, invoke, open, prepare, start, stop};

const SPEC: &str = "v8:boundary=context";

fn text(response: &Response) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

/// Changes what all code of a context can reach, and tells how often.
const CHANGES: &str = "export default { fetch() {
    Array.prototype.changes = (Array.prototype.changes ?? 0) + 1;
    globalThis.changes = (globalThis.changes ?? 0) + 1;
    return new Response(`${[].changes} ${globalThis.changes}`);
} }";

#[tokio::test]
async fn instances_have_globals_and_classes_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for spec in [SPEC, "v8:boundary=context,snapshot=off"] {
        let prepared =
            prepare(&open(spec, folder.path()), &handler(folder.path(), "", CHANGES)).await.unwrap();
        let (first, second) = (start(&*prepared).await, start(&*prepared).await);
        for count in 1..=3 {
            for instance in [&first, &second] {
                let response = invoke(&**instance, get("/")).await.unwrap();
                assert_eq!(text(&response), format!("{count} {count}"), "{spec}");
            }
        }
        assert_eq!(first.memory().model_bytes, None);
        assert!(first.peak_memory().is_err());
        stop(first).await;
        assert_eq!(text(&invoke(&*second, get("/")).await.unwrap()), "4 4");
        stop(second).await;
    }
}

/// Waits for some milliseconds, several times.
const WAITS: &str = "let name = 'none'; export default { async fetch(request) {
    const url = new URL(request.url);
    name = url.searchParams.get('name');
    for (let round = 0; round < 5; round++) {
        await new Promise((resolve) => setTimeout(resolve, Number(url.searchParams.get('ms'))));
    }
    return new Response(`${url.searchParams.get('name')} in ${name}`);
} }";

#[tokio::test]
async fn requests_of_several_instances_wait_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepare(&open(SPEC, folder.path()), &handler(folder.path(), "", WAITS)).await.unwrap();
    let mut instances = Vec::new();
    for _ in 0..5 {
        instances.push(start(&*prepared).await);
    }
    let ask = async |index: usize, instance: &dyn Instance| {
        let response = invoke(instance, get(&format!("/?name={index}&ms={}", 1 + index % 3))).await;
        assert_eq!(text(&response.unwrap()), format!("{index} in {index}"));
    };
    futures_util::future::join_all(
        instances.iter().enumerate().map(|(index, instance)| ask(index, &**instance)),
    )
    .await;
    for instance in instances {
        stop(instance).await;
    }
}

const SPIN: &str = "export default { async fetch(request) {
    if (request.url.endsWith('spin')) for (;;);
    if (request.url.endsWith('wait')) await new Promise((resolve) => setTimeout(resolve, 60_000));
    return new Response('done');
} }";

#[tokio::test]
async fn a_limit_that_is_reached_stops_the_isolate_with_all_its_instances() {
    let folder = tempfile::tempdir().unwrap();
    let function = handler(folder.path(), "deadline_ms = 500", SPIN);
    let prepared = prepare(&open(SPEC, folder.path()), &function).await.unwrap();
    let (spinning, waiting, idle) =
        (start(&*prepared).await, start(&*prepared).await, start(&*prepared).await);
    let (spun, waited) = tokio::join!(
        biased;
        async {
            // The other request comes first.
            tokio::task::yield_now().await;
            invoke(&*spinning, get("/spin")).await
        },
        invoke(&*waiting, get("/wait")),
    );
    assert_eq!(spun.unwrap_err().cause, Cause::DeadlineExceeded(Duration::from_millis(500)));
    for stopped in [waited, invoke(&*idle, get("/")).await] {
        let error = stopped.unwrap_err();
        assert!(
            matches!(&error.cause, Cause::Crashed(reason) if reason.contains("another request")),
            "{error}"
        );
        assert!(!error.spares_instance);
    }
    let next = start(&*prepared).await;
    assert_eq!(text(&invoke(&*next, get("/")).await.unwrap()), "done");
    for instance in [spinning, waiting, idle, next] {
        stop(instance).await;
    }
}

/// An exception is the request's own.
#[tokio::test]
async fn a_request_that_throws_spares_all_instances() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch(request) {
        if (request.url.endsWith('throw')) throw new Error('no');
        return new Response('yes');
    } }";
    let prepared = prepare(&open(SPEC, folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let (first, second) = (start(&*prepared).await, start(&*prepared).await);
    let error = invoke(&*first, get("/throw")).await.unwrap_err();
    assert!(error.spares_instance && matches!(error.cause, Cause::Threw(_)), "{error}");
    for instance in [first, second] {
        assert_eq!(text(&invoke(&*instance, get("/")).await.unwrap()), "yes");
        stop(instance).await;
    }
}

/// An instance that fails to start may find the number of another's request.
#[tokio::test]
async fn an_exception_at_a_start_is_that_of_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let source = "const seed = Math.random(); let starts = 0;
    if (globalThis.late) throw new Error('late');
    export default { async fetch() { return new Response('yes') } }";
    let spec = "v8:boundary=context,snapshot=off";
    let prepared = prepare(&open(spec, folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let first = start(&*prepared).await;
    assert_eq!(text(&invoke(&*first, get("/")).await.unwrap()), "yes");
    let second = start(&*prepared).await;
    assert_eq!(text(&invoke(&*second, get("/")).await.unwrap()), "yes");
    for instance in [first, second] {
        stop(instance).await;
    }
}

/// Each context takes some hundred KiB. Without an end of isolates, these would take several GiB.
#[tokio::test]
async fn the_memory_of_instances_that_have_ended_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let limits = format!("memory_bytes = {}", 48 << 20);
    let prepared =
        prepare(&open(SPEC, folder.path()), &handler(folder.path(), &limits, CHANGES)).await.unwrap();
    let mut live = Vec::new();
    for round in 0..2000 {
        let instance = start(&*prepared).await;
        assert_eq!(text(&invoke(&*instance, get("/")).await.unwrap()), "1 1");
        // Some live for longer than others, and than their isolate takes new ones.
        if round % 20 == 0 {
            live.push(instance);
        } else {
            stop(instance).await;
        }
    }
    for instance in live {
        assert_eq!(text(&invoke(&*instance, get("/")).await.unwrap()), "2 2");
        stop(instance).await;
    }
}

#[test]
fn threads_share_no_isolate_and_end_with_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let function = handler(folder.path(), "", CHANGES);
    let prepared = runtime().block_on(prepare(&open(SPEC, folder.path()), &function)).unwrap();
    for _ in 0..3 {
        std::thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    runtime().block_on(async {
                        for _ in 0..10 {
                            let instance = start(&*prepared).await;
                            assert_eq!(text(&invoke(&*instance, get("/")).await.unwrap()), "1 1");
                            stop(instance).await;
                        }
                    });
                });
            }
        });
    }
}

#[test]
fn modules_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let library = conformance::library().unwrap();
    let refused = open(SPEC, folder.path()).supports(library.get("hello").unwrap(), Variant::Rust);
    assert!(refused.unwrap_err().contains("handlers only"));
}
