//! Deadlines and memory limits.

use std::io;
use std::sync::{Arc, Mutex};
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

/// The console's text in the log is cut.
#[tokio::test]
async fn the_console_is_bounded() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let source =
        "export default { fetch() { console.log('begin' + 'x'.repeat(1 << 20)); return new Response() } }";
    answer("", source, get("/")).await.unwrap();
    let written = log.0.lock().unwrap();
    let text = String::from_utf8_lossy(&written);
    assert!(text.contains("beginxxx") && text.len() < 8192, "{} bytes", text.len());
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text takes 22 MiB of the heap, and 33 MiB in UTF-8.
#[tokio::test]
async fn a_text_whose_bytes_exceed_the_limit_is_not_encoded() {
    let source = r"export default { fetch() {
        const text = '\u20ac'.repeat(11 << 20);
        try { return new Response(`${new TextEncoder().encode(text).length} bytes`) }
        catch (error) { return new Response(error.name) }
    } }";
    let limits = "memory_bytes = 33554432";
    assert_eq!(answer(limits, source, get("/")).await.unwrap().body(), "RangeError");
}

#[tokio::test]
async fn encoded_texts_are_whole_and_given_back() {
    let source = r"export default { fetch() {
        const odd = new TextEncoder().encode('a\u00fc\u20ac\ud83d\ude00\ud800');
        let total = 0;
        for (let index = 0; index < 200; index++) total += new TextEncoder().encode('x'.repeat(1 << 20)).length;
        return new Response(`${odd} ${new TextEncoder().encode('').length} ${total}`);
    } }";
    let answer = answer("memory_bytes = 67108864", source, get("/")).await.unwrap();
    let expected = "97,195,188,226,130,172,240,159,152,128,239,191,189 0 209715200";
    assert_eq!(answer.body(), expected);
}

/// The example of the Unicode standard, section 3.9, table 3-8.
#[tokio::test]
async fn each_maximal_subpart_that_is_not_utf8_is_replaced() {
    let source = r"export default { fetch() {
        const bytes = new Uint8Array([0xf4, 0x91, 0x92, 0x93, 0xff, 0x41, 0x80, 0xbf, 0x42, 0xe1, 0x80, 0xe2, 0xf0, 0x91,
            0x92, 0xf1, 0xbf, 0x41]);
        return new Response(new TextDecoder().decode(bytes).replaceAll('\ufffd', '?'));
    } }";
    assert_eq!(answer("", source, get("/")).await.unwrap().body(), "?????A??B????A");
}

/// A body counts in the limit like other buffers, and is given back.
#[tokio::test]
async fn a_body_counts_in_the_memory_limit() {
    let folder = tempfile::tempdir().unwrap();
    let source = "const kept = [];
        export default { async fetch(request) {
          const body = await request.arrayBuffer();
          if (request.url.endsWith('keep')) kept.push(body);
          return new Response(`${body.byteLength}`);
        } };";
    let function = handler(folder.path(), "memory_bytes = 33554432", source);
    let prepared = prepare(&open("v8", folder.path()), &function).await.unwrap();
    let instance = start(&*prepared).await;
    let post = |uri: &str| {
        let mut request = get(uri);
        request.body = vec![1; 8 << 20].into();
        request
    };
    for _ in 0..10 {
        assert_eq!(invoke(&*instance, post("/")).await.unwrap().body(), "8388608");
    }
    let mut answers = Vec::new();
    while answers.len() < 5 {
        answers.push(invoke(&*instance, post("/keep")).await.map_err(|error| error.cause));
    }
    let refused = answers.iter().position(Result::is_err);
    assert!(refused.is_some_and(|refused| refused >= 2), "{answers:?}");
    assert_eq!(answers.into_iter().find_map(Result::err), Some(Cause::OutOfMemory(32 << 20)));
    stop(instance).await;
}

/// Dead buffers do not count after the collection that found them.
#[tokio::test]
async fn buffers_of_past_requests_do_not_exhaust_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch() { new Uint8Array(65536).fill(1); return new Response('ok') } }";
    let function = handler(folder.path(), "memory_bytes = 33554432", source);
    let prepared = prepare(&open("v8", folder.path()), &function).await.unwrap();
    let instance = start(&*prepared).await;
    for count in 0..3000 {
        let answer = invoke(&*instance, get("/")).await;
        assert!(answer.is_ok_and(|answer| answer.body() == "ok"), "request {count}");
    }
    stop(instance).await;
}
