//! The conformance tests of the web API, and failures of handlers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Instant;

use isolab_javascript::{Engine, Failure, Platform};
use isolab_sdk::{Request, Response};

static SEEDS: AtomicU64 = AtomicU64::new(1);

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

const PLATFORM: Platform = Platform {
    log: |_, _| (),
    seed: || SEEDS.fetch_add(1, Ordering::Relaxed),
    now: || ORIGIN.elapsed(),
    sleep: thread::sleep,
};

fn load(source: &str) -> Result<Engine, Failure> {
    Engine::load(source, PLATFORM)
}

/// An engine whose handler's `fetch` is an async function with this body.
fn handler(body: &str) -> Engine {
    load(&format!("export default {{\n async fetch(request) {{ {body} }} }}")).unwrap()
}

fn get(engine: &Engine) -> Result<Response, Failure> {
    let headers = vec![("x-test", "1")];
    engine.answer(&Request { method: "GET", path: "/", headers, ..Request::default() })
}

fn text(engine: &Engine) -> String {
    String::from_utf8(get(engine).unwrap().body).unwrap()
}

fn failure(engine: &Engine) -> String {
    get(engine).expect_err("the handler fails").0
}

#[test]
fn the_web_api_keeps_the_standards() {
    use isolab_webapi::conformance::{handlers, timer_handlers};

    for (name, source) in handlers().chain(timer_handlers()) {
        let answer = text(&load(&source).unwrap());
        if let Err(failures) = isolab_webapi::conformance::check(&answer) {
            panic!("{name}:\n{failures}");
        }
    }
}

#[test]
fn a_request_and_its_response_are_passed_unchanged() {
    let engine = handler(
        "const { method, url, headers } = request;
         const echo = JSON.stringify([method, url, [...headers], await request.text()]);
         return new Response(echo, { status: 201, headers: [['a', '1'], ['A', '2'], ['B', 'é']] });",
    );
    let headers = vec![("b", "2"), ("a", "1")];
    let request = Request { method: "PUT", path: "/p", query: "q=1", headers, body: "ü".as_bytes() };
    let response = engine.answer(&request).unwrap();
    let body = r#"["PUT","http://localhost/p?q=1",[["a","1"],["b","2"]],"ü"]"#;
    assert_eq!((response.status, String::from_utf8(response.body).unwrap().as_str()), (201, body));
    let headers: Vec<_> =
        response.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    assert_eq!(headers, [("a", "1"), ("a", "2"), ("b", "é"), ("content-type", "text/plain;charset=UTF-8")]);
}

#[test]
fn bodies_of_any_kind_become_bytes() {
    let body = |expression: &str| get(&handler(&format!("return new Response({expression})"))).unwrap().body;
    assert_eq!(body("null"), b"");
    assert_eq!(body("new Uint8Array()"), b"");
    assert_eq!(body("new Uint8Array([0, 255]).buffer"), [0, 255]);
    assert_eq!(body("'a\\ud800\\0'"), "a\u{fffd}\0".as_bytes());
}

#[test]
fn an_exception_is_reported_with_name_message_and_place() {
    let thrown = failure(&handler("throw new RangeError('too far')"));
    assert!(thrown.starts_with("RangeError: too far\n") && thrown.contains("handler.js:2"), "{thrown}");
    let thrown = failure(&handler("throw { odd: [1] }"));
    assert_eq!(thrown, "{ odd: [ 1 ] } was thrown, which is not an Error");
    let thrown = failure(&handler("throw { get name() { throw 1 }, __proto__: Error.prototype }"));
    assert_eq!(thrown, "something was thrown that cannot be shown");
    let sync = load("export default { fetch() { return Promise.reject(new TypeError('no')) } }").unwrap();
    assert!(failure(&sync).starts_with("TypeError: no"));
}

#[test]
fn an_answer_other_than_a_response_is_an_error() {
    for answer in ["", "return 1", "return { status: 200 }", "return Response.error()"] {
        assert!(failure(&handler(answer)).starts_with("TypeError: the handler's answer is"), "{answer}");
    }
    assert!(
        failure(&handler("await request.text(); const r = new Response('a'); await r.text(); return r"))
            .contains("has been read already")
    );
}

#[test]
fn an_answer_may_come_in_any_way() {
    for fetch in ["fetch() {", "async fetch() { await null;", "fetch: () => {"] {
        let source = format!("export default {{ {fetch} return new Response('ok') }} }}");
        assert_eq!(text(&load(&source).unwrap()), "ok");
    }
    let thenable = "export default { fetch() { return { then(done) { done(new Response('late')) } } } }";
    assert_eq!(text(&load(thenable).unwrap()), "late");
}

#[test]
fn a_promise_that_never_settles_is_reported() {
    assert_eq!(failure(&handler("await new Promise(() => {})")), "the handler's promise never settles");
    let error = load("await new Promise(() => {}); export default {}").unwrap_err();
    assert_eq!(error.0, "the module's top-level await never settles");
}

#[test]
fn a_module_that_cannot_be_loaded_says_why() {
    let error = |source: &str| load(source).unwrap_err().0;
    let syntax = error("export default {\n async fetch( }");
    assert!(syntax.starts_with("SyntaxError: ") && syntax.contains("handler.js:2"), "{syntax}");
    let thrown = error("\nnull.x;\nexport default {}");
    assert!(thrown.starts_with("TypeError: ") && thrown.contains("handler.js:2"), "{thrown}");
    assert!(error("import x from 'y'; export default x").contains("'y'"));
    for module in ["", "export default {}", "export default 1", "export default { fetch: 1 }"] {
        assert!(error(module).contains("no function `fetch`"), "{module}");
    }
}

#[test]
fn an_engine_goes_on_after_an_error_and_keeps_its_state() {
    let engine = load(
        "let count = 0;
         export default { async fetch() {
           count += 1;
           Promise.resolve().then(() => Promise.resolve()).then(() => { count += 10 });
           if (count < 10) throw new Error('early');
           return new Response(String(count));
         } }",
    )
    .unwrap();
    assert!(failure(&engine).starts_with("Error: early"));
    assert_eq!(text(&engine), "12");
}

#[test]
fn a_microtask_that_throws_fails_its_request_only() {
    let engine = load(
        "let count = 0;
         export default { async fetch() {
           count += 1;
           if (count === 1) queueMicrotask(() => { throw new RangeError('stray') });
           return new Response(String(count));
         } }",
    )
    .unwrap();
    let thrown = failure(&engine);
    assert!(thrown.starts_with("RangeError: stray"), "{thrown}");
    assert_eq!(text(&engine), "2");
}

#[test]
fn endless_recursion_is_a_range_error() {
    for body in [
        "const f = (n) => f(n + 1) + 1; f(0)",
        "let s = []; for (let i = 0; i < 1e5; i++) s = [s]; JSON.stringify(s)",
        "JSON.parse('['.repeat(1e6))",
        "eval('('.repeat(1e5))",
        "const o = { toString() { return `${this}` } }; `${o}`",
        "const p = new Proxy({}, { get: (t, k, r) => r[k] }); p.x",
    ] {
        let thrown = failure(&handler(body));
        assert!(thrown.starts_with("RangeError: ") || thrown.contains("stack overflow"), "{body}: {thrown}");
        let caught =
            handler(&format!("try {{ {body} }} catch (error) {{ return new Response(error.name) }}"));
        assert_eq!(text(&caught), thrown.split(':').next().unwrap());
    }
}

#[test]
fn random_numbers_are_seeded_at_the_first_draw_of_a_request() {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let seed = || ASKED.fetch_add(1, Ordering::Relaxed);
    let source = "const early = Math.random();
                  export default { fetch: () => Response.json([early, Math.random(), Math.random()]) }";
    let draw = || -> Vec<f64> {
        let engine = Engine::load(source, Platform { seed, ..PLATFORM }).unwrap();
        let asked = ASKED.load(Ordering::Relaxed);
        let answer = text(&engine);
        assert_eq!(ASKED.load(Ordering::Relaxed), asked + 1);
        answer.trim_matches(['[', ']']).split(',').map(|number| number.parse().unwrap()).collect()
    };
    let (mut numbers, more) = (draw(), draw());
    numbers.extend(more);
    assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)), "{numbers:?}");
    numbers.sort_by(f64::total_cmp);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
}

#[test]
fn console_lines_reach_the_platform() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let log = |level: &str, text: &str| LINES.lock().unwrap().push(format!("{level} {text}"));
    let source = "console.log('loaded', { a: 1 });
                  export default { fetch() { console.error('%s!', 'bad'); return new Response() } }";
    let engine = Engine::load(source, Platform { log, ..PLATFORM }).unwrap();
    get(&engine).unwrap();
    assert_eq!(*LINES.lock().unwrap(), ["log loaded { a: 1 }", "error bad!"]);
}

#[test]
fn handlers_cannot_reach_the_functions_of_the_host() {
    let engine = handler(
        "const names = Object.getOwnPropertyNames(globalThis).filter((name) => name.startsWith('__'));
         return Response.json([names, Object.keys(globalThis), Object.keys(__isolab)]);",
    );
    assert_eq!(
        text(&engine),
        r#"[["__isolab"],["queueMicrotask","setTimeout","setInterval","clearTimeout","clearInterval"],["dispatch","describe"]]"#
    );
    assert!(failure(&handler("__isolab.dispatch = null")).starts_with("TypeError"));
}

#[test]
fn a_request_waits_for_its_timers_until_it_is_answered() {
    let engine = handler(
        "const order = [];
         setInterval(() => order.push('interval'), 1);
         setTimeout(() => order.push('never'), 1e8);
         await new Promise((resolve) => setTimeout(resolve, 20));
         return new Response(order.includes('interval') && !order.includes('never') ? 'ok' : `${order}`);",
    );
    assert_eq!((text(&engine), text(&engine)), ("ok".into(), "ok".into()));
}

#[test]
fn the_timers_of_a_request_end_with_it() {
    let engine = load(
        "let calls = 0;
         export default { async fetch() {
           if (calls === 0) { setInterval(() => calls += 100, 1); calls = 1; return new Response('set'); }
           await new Promise((resolve) => setTimeout(resolve, 10));
           return new Response(String(calls));
         } }",
    )
    .unwrap();
    assert_eq!((text(&engine), text(&engine)), ("set".into(), "1".into()));
}

#[test]
fn an_exception_of_a_timer_or_a_microtask_fails_the_request() {
    let engine =
        handler("setTimeout(() => { throw new RangeError('late') }, 1); await new Promise(() => {})");
    assert!(failure(&engine).starts_with("RangeError: late"));
    assert!(failure(&engine).starts_with("RangeError: late"));
    let engine = handler("queueMicrotask(() => { throw new TypeError('soon') }); return new Response('ok')");
    assert!(failure(&engine).starts_with("TypeError: soon"));
    let thrown =
        load("queueMicrotask(() => { throw new TypeError('early') }); export default { fetch() {} }");
    assert!(thrown.unwrap_err().0.starts_with("TypeError: early"));
}

#[test]
fn a_request_that_throws_leaves_no_job_to_the_next() {
    let engine = load(
        "let ran = 0;
         export default { fetch() {
           if (ran > 0) return new Response(String(ran));
           queueMicrotask(() => ran++);
           throw new Error('at once');
         } }",
    )
    .unwrap();
    assert!(failure(&engine).starts_with("Error: at once"));
    assert_eq!(text(&engine), "1");
}

#[test]
fn timers_are_bounded_and_belong_to_a_request() {
    let engine = handler(
        "const ids = [];
         try { for (;;) ids.push(setTimeout(() => {}, 1e6)) } catch (error) { ids.push(error.name) }
         const name = ids.pop();
         return new Response(`${ids.length} ${name} ${new Set(ids).size}`);",
    );
    assert_eq!(text(&engine), "10000 RangeError 10000");
    for set in ["setTimeout(() => {}, 1)", "setInterval(() => {})", "await null; setTimeout(() => {})"] {
        let error =
            load(&format!("{set}; export default {{ fetch() {{ return new Response() }} }}")).unwrap_err();
        assert!(error.0.contains("only while its request is in flight"), "{error}");
    }
}
