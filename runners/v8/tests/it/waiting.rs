//! Requests that wait beside each other in one isolate.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};
use isolab_core::{Cause, Error, Executor as _, Instance, Laps, Prepared, Request, Response, Variant};

use crate::support::{get, handler, open, prepare, start, stop};

/// Each path of this handler is one kind of request.
const SOURCE: &str = "
    let inFlight = 0, most = 0, count = 0, ticks = 0, release, last;
    const released = new Promise((resolve) => { release = resolve; });
    const sleep = (ms) => new Promise((resolve) => { last = setTimeout(resolve, ms); });
    const pages = {
      async together() {
        most = Math.max(most, ++inFlight);
        await sleep(100);
        inFlight -= 1;
        return most;
      },
      async sleep(ms) { await sleep(ms); return 'slept'; },
      async compute(ms) { for (const end = Date.now() + ms; Date.now() < end;); return 'computed'; },
      async count() { return ++count; },
      async never() { await new Promise(() => {}); },
      async release(ms) { await sleep(ms); release('released'); return 'done'; },
      async released() { return released; },
      async releasedLater() { const text = await released; await sleep(5); return `${text} later`; },
      async spin() { for (;;); },
      async sleepThenSpin(ms) { await sleep(ms); for (;;); },
      async hoard() { const hoard = []; for (;;) hoard.push([...Array(999).keys()]); },
      async keep() { const kept = Array(8192).fill(1.5); await new Promise(() => setTimeout(() => kept, 1e9)); },
      async tick() { setInterval(() => ticks++, 1); return 'ticking'; },
      async ticks() { await sleep(20); return ticks; },
      async clearAll() { for (let id = 0; id <= last + 100; id++) clearTimeout(id); return last > 0; },
      async strayTimeout() { setTimeout(() => { throw new RangeError('stray') }, 1); await sleep(1e6); },
      async strayMicrotask() { queueMicrotask(() => { throw new RangeError('stray') }); return 'answered'; },
      async strayLater() { await sleep(1); queueMicrotask(() => { throw new RangeError('stray') }); await sleep(1e6); },
      async rejectLater() { await sleep(1); throw new RangeError('late'); },
      async leaveBehind() {
        released.then(() => { try { setTimeout(() => {}, 1) } catch (error) { last = `${error}` } });
        return 'left';
      },
      async last() { return last; },
    };
    export default {
      async fetch(request) {
        const url = new URL(request.url);
        return new Response(`${await pages[url.pathname.slice(1)](Number(url.searchParams.get('ms')))}`);
      },
    };";

const SPECS: [&str; 2] = ["v8", "v8:snapshot=off"];

/// An instance of the handler above, with its folder.
async fn instance(spec: &str, limits: &str, folder: &Path) -> (Arc<dyn Prepared>, Box<dyn Instance>) {
    let prepared = prepare(&open(spec, folder), &handler(folder, limits, SOURCE)).await.unwrap();
    let instance = start(&*prepared).await;
    (prepared, instance)
}

async fn ask(instance: &dyn Instance, uri: &str) -> Result<Response, Error> {
    instance.invoke(get(uri), &mut Laps::begin()).await
}

async fn text(instance: &dyn Instance, uri: &str) -> String {
    String::from_utf8(ask(instance, uri).await.unwrap().body().to_vec()).unwrap()
}

/// Runs `test` with an instance that has a snapshot and with one that has none.
async fn with_instances(limits: &str, test: impl AsyncFn(&dyn Instance)) {
    for spec in SPECS {
        let folder = tempfile::tempdir().unwrap();
        let (_prepared, instance) = instance(spec, limits, folder.path()).await;
        test(&*instance).await;
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_thousand_requests_wait_at_once_in_one_isolate() {
    with_instances("", async |instance| {
        let answers = join_all((0..1_000).map(|_| text(instance, "/together"))).await;
        assert!(answers.iter().all(|most| most == "1000"), "{answers:?}");
        assert_eq!(text(instance, "/together").await, "1000");
    })
    .await;
}

#[tokio::test]
async fn quick_requests_pass_those_that_wait_and_a_computing_one_delays_but_fails_none() {
    with_instances("", async |instance| {
        let order = RefCell::new(Vec::new());
        let noted = async |uri: &'static str| {
            ask(instance, uri).await.unwrap();
            order.borrow_mut().push(uri);
        };
        let uris = ["/sleep?ms=40", "/sleep?ms=10", "/compute?ms=60", "/count"];
        join_all(uris.map(noted)).await;
        // Both timers are due when the computing request has ended.
        assert_eq!(order.take()[..2], ["/compute?ms=60", "/count"]);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_the_others_alone_and_leaves_nothing_behind() {
    with_instances("memory_bytes = 33554432", async |instance| {
        let mut laps = Laps::begin();
        let mut waiting = instance.invoke(get("/sleep?ms=200"), &mut laps);
        assert!((&mut waiting).now_or_never().is_none());
        // All that they keep is four times as large as the memory.
        for _ in 0..2_000 {
            let kept = ask(instance, "/keep").now_or_never();
            assert!(kept.is_none(), "{kept:?}");
        }
        assert_eq!(waiting.await.unwrap().body(), "slept");
        assert_eq!(text(instance, "/count").await, "1");
    })
    .await;
}

#[tokio::test]
async fn timers_end_with_the_answer() {
    with_instances("", async |instance| {
        assert_eq!(text(instance, "/tick").await, "ticking");
        assert_eq!(text(instance, "/ticks").await, "0");
    })
    .await;
}

#[tokio::test]
async fn a_request_that_waits_past_its_deadline_fails_alone() {
    with_instances("deadline_ms = 60", async |instance| {
        assert_eq!(text(instance, "/count").await, "1");
        let (late, in_time) = join(ask(instance, "/sleep?ms=100000"), text(instance, "/sleep?ms=1")).await;
        let late = late.unwrap_err();
        assert_eq!(late.cause, Cause::DeadlineExceeded(Duration::from_millis(60)));
        assert!(late.spares_instance);
        assert_eq!((in_time.as_str(), text(instance, "/count").await.as_str()), ("slept", "2"));
    })
    .await;
}

/// The error of the first request, and those of one that waits beside it and of one after it.
async fn errors(instance: &dyn Instance, uri: &str) -> [Error; 3] {
    let waiting = ask(instance, "/sleep?ms=100000");
    let (waiting, first) = join(waiting, ask(instance, uri)).await;
    [first, waiting, ask(instance, "/count").await].map(Result::unwrap_err)
}

#[tokio::test]
async fn a_request_that_is_stopped_takes_all_others_of_its_isolate_with_it() {
    for (uri, cause) in [
        ("/spin", Cause::DeadlineExceeded(Duration::from_millis(300))),
        ("/sleepThenSpin?ms=20", Cause::DeadlineExceeded(Duration::from_millis(300))),
        ("/hoard", Cause::OutOfMemory(32 << 20)),
    ] {
        with_instances("memory_bytes = 33554432\ndeadline_ms = 300", async |instance| {
            let [first, others @ ..] = errors(instance, uri).await;
            // A slow machine may reach the deadline before the memory limit.
            assert!(first.cause == cause || matches!(first.cause, Cause::DeadlineExceeded(_)), "{first}");
            assert!(!first.spares_instance);
            for other in others {
                let Cause::Crashed(text) = &other.cause else { panic!("{uri}: {other}") };
                assert!(text.contains("another request of this isolate was stopped"), "{text}");
                assert!(!other.spares_instance);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_promise_that_nothing_can_settle_fails_at_once_or_when_the_others_have_ended() {
    with_instances("", async |instance| {
        let never = |error: Error| {
            assert_eq!(error.cause, Cause::Threw("the handler's promise never settles".into()));
            assert!(error.spares_instance);
        };
        let alone = ask(instance, "/never").now_or_never();
        never(alone.expect("nothing is waited for").unwrap_err());
        let order = RefCell::new(Vec::new());
        let other = async {
            let slept = text(instance, "/sleep?ms=20").await;
            order.borrow_mut().push(slept);
        };
        let hopeless = async {
            never(ask(instance, "/never").await.unwrap_err());
            order.borrow_mut().push("never".into());
        };
        join(other, hopeless).await;
        assert_eq!(order.take(), ["slept", "never"]);
    })
    .await;
}

#[tokio::test]
async fn a_request_can_settle_the_promise_of_another_which_keeps_its_own_timers() {
    with_instances("", async |instance| {
        let waits = ["/release?ms=20", "/released", "/releasedLater"].map(|uri| text(instance, uri));
        assert_eq!(join_all(waits).await, ["done", "released", "released later"]);
    })
    .await;
}

#[tokio::test]
async fn a_request_reaches_no_timer_of_another() {
    with_instances("", async |instance| {
        let (slept, cleared) = join(text(instance, "/sleep?ms=30"), text(instance, "/clearAll")).await;
        assert_eq!([slept.as_str(), &cleared], ["slept", "true"]);
    })
    .await;
}

#[tokio::test]
async fn an_exception_that_nothing_catches_fails_its_request_only() {
    with_instances("", async |instance| {
        for uri in ["/strayTimeout", "/strayMicrotask", "/strayLater", "/rejectLater"] {
            let (failed, other) = join(ask(instance, uri), text(instance, "/sleep?ms=10")).await;
            let error = failed.unwrap_err();
            let Cause::Threw(text) = &error.cause else { panic!("{uri}: {error}") };
            assert!(text.starts_with("RangeError: ") && text.contains("handler.js:"), "{uri}: {text}");
            assert!(error.spares_instance && other == "slept");
        }
    })
    .await;
}

#[tokio::test]
async fn code_of_a_request_that_has_ended_can_set_no_timer() {
    with_instances("", async |instance| {
        assert_eq!(text(instance, "/leaveBehind").await, "left");
        assert_eq!(text(instance, "/release?ms=1").await, "done");
        let last = text(instance, "/last").await;
        assert!(last.contains("TypeError: a timer can be set only while its request is in flight"), "{last}");
    })
    .await;
}

#[tokio::test]
async fn a_setting_says_how_many_requests_an_isolate_may_have_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    for (spec, most) in [("v8", 1000), ("v8:concurrency=1", 1), ("v8:snapshot=off,concurrency=7", 7)] {
        let (prepared, instance) = instance(spec, "", folder.path()).await;
        assert_eq!(prepared.max_concurrency(), most);
        assert_eq!(text(&*instance, "/sleep?ms=1").await, "slept");
        stop(instance).await;
    }
    let library = isolab_core::conformance::library().unwrap();
    let (executor, hello) = (open("v8", folder.path()), library.get("hello").unwrap());
    let module = executor.prepare(hello, Variant::Rust, &mut Laps::begin()).await.unwrap();
    assert_eq!(module.max_concurrency(), 1);
}

/// The request of a quick handler is answered in its first poll, whoever waits beside it.
#[tokio::test]
async fn a_quick_request_never_waits() {
    with_instances("", async |instance| {
        let mut laps = Laps::begin();
        let mut waiting = instance.invoke(get("/sleep?ms=30"), &mut laps);
        assert!((&mut waiting).now_or_never().is_none());
        let request: Request = get("/count");
        let quick = instance.invoke(request, &mut Laps::begin()).now_or_never();
        assert_eq!(quick.expect("one poll").unwrap().body(), "1");
        assert_eq!(waiting.await.unwrap().body(), "slept");
    })
    .await;
}
