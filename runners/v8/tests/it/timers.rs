//! The bounds of timers.

use futures_util::FutureExt;
use isolab_core::{Cause, Laps, Phase};

use crate::support::{answer, get, handler, open, prepare, start, stop};

#[tokio::test]
async fn a_request_has_a_bounded_number_of_timers() {
    let source = "
        export default { async fetch() {
          const ids = [];
          try { for (;;) ids.push(setTimeout(() => {}, 1e6)) } catch (error) { ids.push(error.name) }
          const name = ids.pop();
          const count = ids.length;
          for (const id of ids) clearTimeout(id);
          await new Promise((resolve) => setTimeout(resolve, 1));
          return new Response(`${count} ${name} ${new Set(ids).size}`);
        } };";
    let response = answer("", source, get("/")).await.unwrap();
    assert_eq!(response.body(), "10000 RangeError 10000");
}

/// A snapshot cannot hold a timer, and no request would drive it.
#[tokio::test]
async fn the_evaluation_of_a_handler_can_set_no_timer() {
    for spec in ["v8", "v8:snapshot=off"] {
        for set in ["setTimeout(() => {}, 1)", "setInterval(() => {})", "await null; setTimeout(() => {})"] {
            let folder = tempfile::tempdir().unwrap();
            let source = format!("{set}; export default {{ fetch() {{ return new Response() }} }}");
            let error = prepare(&open(spec, folder.path()), &handler(folder.path(), "", &source)).await;
            let error = error.err().unwrap();
            let Cause::Artifact(text) = &error.cause else { panic!("{spec} {set}: {error}") };
            assert!(text.contains("only while its request is in flight"), "{text}");
            assert_eq!(error.phase, Phase::Prepare);
        }
    }
}

#[tokio::test]
async fn a_microtask_that_throws_while_a_handler_is_evaluated_makes_no_artifact() {
    let source = "queueMicrotask(() => { throw new RangeError('early') }); export default { fetch() {} };";
    for spec in ["v8", "v8:snapshot=off"] {
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(&open(spec, folder.path()), &handler(folder.path(), "", source)).await;
        let error = error.err().unwrap();
        assert!(
            matches!(&error.cause, Cause::Artifact(text) if text.contains("RangeError: early")),
            "{error}"
        );
    }
}

/// One function serves all timers, so the heap hardly grows with them.
#[tokio::test]
async fn timers_of_many_requests_stay_within_the_memory_limit() {
    let folder = tempfile::tempdir().unwrap();
    let source = "
        const nothing = () => {};
        export default { async fetch(request) {
          for (let count = 0; count < 1e4; count++) setTimeout(nothing, 1e6);
          await new Promise(() => {});
        } };";
    let function = handler(folder.path(), "memory_bytes = 33554432", source);
    let prepared = prepare(&open("v8", folder.path()), &function).await.unwrap();
    let instance = start(&*prepared).await;
    let mut laps = [(); 15].map(|()| Laps::begin());
    let mut waiting: Vec<_> = laps.iter_mut().map(|laps| instance.invoke(get("/"), laps)).collect();
    let failed: Vec<_> = waiting.iter_mut().filter_map(FutureExt::now_or_never).collect();
    // 13 times 10,000 timers of 256 bytes fit into 32 MiB, or somewhat fewer beside the heap: timers count
    // together with it after a long turn.
    assert!((1..=4).contains(&failed.len()), "{failed:?}");
    let error = failed[0].as_ref().unwrap_err();
    let is_refused = match &error.cause {
        Cause::Threw(text) => text.starts_with("RangeError: "),
        cause => matches!(cause, Cause::OutOfMemory(_)),
    };
    assert!(is_refused, "{error}");
    drop(waiting);
    stop(instance).await;
}

#[tokio::test]
async fn timers_count_as_memory_of_the_instance_until_they_end() {
    const TIMERS_BYTES: u64 = 5 * 10_000 * 256;

    let folder = tempfile::tempdir().unwrap();
    let source = "
        const nothing = () => {};
        export default { async fetch(request) {
          if (request.url.endsWith('calm')) return new Response('calm');
          for (let count = 0; count < 1e4; count++) setTimeout(nothing, 1e6);
          await new Promise(() => {});
        } };";
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let instance = start(&*prepared).await;
    let calm = async || {
        assert_eq!(instance.invoke(get("/calm"), &mut Laps::begin()).await.unwrap().body(), "calm");
        instance.memory().model_bytes.unwrap()
    };
    let before = calm().await;
    let mut laps = [(); 5].map(|()| Laps::begin());
    let mut waiting: Vec<_> = laps.iter_mut().map(|laps| instance.invoke(get("/"), laps)).collect();
    for request in &mut waiting {
        assert!(request.now_or_never().is_none());
    }
    let during = calm().await;
    assert!(during >= before + TIMERS_BYTES, "{before} {during}");
    drop(waiting);
    let after = calm().await;
    assert!(after < during - TIMERS_BYTES / 2, "{during} {after}");
    stop(instance).await;
}

/// The microtasks of a request that threw at once run in its own time.
#[tokio::test]
async fn a_request_that_throws_leaves_no_microtask_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let source = "
        let ran = 0;
        export default { fetch(request) {
          if (request.url.endsWith('ran')) return new Response(`${ran}`);
          queueMicrotask(() => ran++);
          throw new Error('at once');
        } };";
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let instance = start(&*prepared).await;
    let error = instance.invoke(get("/"), &mut Laps::begin()).await.unwrap_err();
    assert!(matches!(&error.cause, Cause::Threw(text) if text.contains("at once")), "{error}");
    let ran = instance.invoke(get("/ran"), &mut Laps::begin()).await.unwrap();
    assert_eq!(ran.body(), "1");
    stop(instance).await;
}
