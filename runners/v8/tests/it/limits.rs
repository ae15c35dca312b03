//! Deadlines and memory limits.

use std::time::{Duration, Instant};

use isolab_core::{Cause, Phase};

use crate::support::{answer, get, handler, invoke, open, prepare, start, stop};

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
async fn the_limits_hold_while_a_handler_is_evaluated() {
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
async fn the_memory_limit_covers_heap_and_buffers() {
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
        let expected = matches!(error.cause, Cause::OutOfMemory(_) | Cause::Threw(_) | Cause::Trapped(_));
        assert!(expected && error.phase == Phase::Invoke, "{body}: {error}");
    }
}

#[tokio::test]
async fn the_reported_memory_grows_with_the_buffers_of_an_instance() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch() { globalThis.kept = new Uint8Array(8 << 20).fill(1); return new Response() } }";
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let instance = start(&*prepared).await;
    let before = instance.memory().model_bytes.unwrap();
    invoke(&*instance, get("/")).await.unwrap();
    let after = instance.memory().model_bytes.unwrap();
    assert!(before > 0 && after >= before + (8 << 20), "{before} {after}");
    stop(instance).await;
}
