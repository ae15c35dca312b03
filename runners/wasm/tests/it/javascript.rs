//! JavaScript handlers in the engine that is compiled to Wasm: their state after evaluation,
//! and their failures.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::support::{ask, get, open, prepare, ready};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Method};
use isolab_core::{Cause, Error, Function, Instance, Laps, Phase, Prepared, Request, Response, Variant};
use isolab_wasm::Wasm;

/// The cache stays from one run to the next, as compiling the engine takes seconds.
fn executor(spec: &str) -> Wasm {
    open(spec, Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// A handler's source, evaluated and compiled.
fn handler(source: &str) -> Result<Arc<dyn Prepared>, Error> {
    handler_on("wasm", source)
}

/// The executor's spec for handlers that are evaluated at each start.
const NO_SNAPSHOT: &str = "wasm:snapshot=off";

fn handler_on(spec: &str, source: &str) -> Result<Arc<dyn Prepared>, Error> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("function.toml"), "description = \"a test\"").unwrap();
    fs::write(folder.path().join("handler.js"), source).unwrap();
    prepare(&executor(spec), &Function::load(folder.path()).unwrap(), Variant::Js)
}

fn post(body: &str) -> Request {
    Request::new(
        Method::POST,
        "/".parse().unwrap(),
        HeaderMap::new(),
        Bytes::copy_from_slice(body.as_bytes()),
    )
}

/// The body of an answer, or the message of the handler.
fn text(answer: Result<Response, Error>) -> Result<String, String> {
    match answer {
        Ok(response) => Ok(String::from_utf8(response.into_body().to_vec()).unwrap()),
        Err(Error { cause: Cause::Threw(reason) | Cause::Trapped(reason), .. }) => Err(reason),
        Err(error) => panic!("{error}"),
    }
}

/// Runs `work`, and returns the lines that it logs.
fn logged<T>(work: impl FnOnce() -> T) -> (T, String) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Arc::new(log.reopen().unwrap()))
        .with_ansi(false)
        .without_time()
        .with_level(false)
        .with_target(false)
        .finish();
    let value = tracing::subscriber::with_default(subscriber, work);
    (value, fs::read_to_string(log.path()).unwrap())
}

#[test]
fn a_handler_answers_from_its_snapshot() {
    let hello = handler(include_str!("../../../../functions/hello/handler.js")).unwrap();
    let start = || ready(hello.start(&mut Laps::begin())).unwrap();
    let ask =
        |instance: &dyn Instance, request| text(ready(instance.invoke(request, &mut Laps::begin()))).unwrap();
    let (mut first, mut second) = (start(), start());
    assert_eq!(ask(&mut *first, get("/?myName=J%C3%BCrgen")), r#"{"message":"Hello Jürgen"}"#);
    assert_eq!(ask(&mut *second, get("/")), r#"{"message":"Hello World"}"#);
    for _ in 0..100 {
        assert_eq!(ask(&mut *first, post(r#"{"myName":"Ada"}"#)), r#"{"message":"Hello Ada"}"#);
    }
    for instance in [first, second] {
        ready(instance.stop(&mut Laps::begin())).unwrap();
    }
}

#[test]
fn instances_share_evaluated_values_but_not_random_numbers_and_time() {
    let prepared = handler(
        "const early = [Math.random(), Date.now()];
         let uses = 0;
         console.log('evaluated');
         export default { fetch() {
           console.warn('used', ++uses);
           return Response.json([...early, uses, Math.random(), Date.now()]);
         } }",
    )
    .unwrap();
    let answer = || {
        let (answer, log) = logged(|| ask(&*prepared, get("/")));
        assert_eq!(log, "used 1\n");
        let body = text(answer).unwrap();
        let parts: Vec<String> = body.trim_matches(['[', ']']).split(',').map(str::to_owned).collect();
        <[String; 5]>::try_from(parts).unwrap()
    };
    let ([early, evaluated, uses, random, now], other) = (answer(), answer());
    assert_eq!([&early, &evaluated, &uses], [&other[0], &other[1], &other[2]]);
    let times = [evaluated, now, other[4].clone()].map(|time| time.parse::<u64>().unwrap());
    assert!(times.is_sorted(), "{times:?}");
    assert!(random != other[3] && random != early);
}

#[test]
fn without_a_snapshot_each_instance_evaluates_its_handler() {
    let source = "const early = Math.random();
        let uses = 0;
        export default { fetch() { return Response.json([early, ++uses]) } }";
    let prepared = handler_on(NO_SNAPSHOT, source).unwrap();
    let answer = || text(ask(&*prepared, get("/"))).unwrap();
    let (first, second) = (answer(), answer());
    assert!(first.ends_with(",1]") && second.ends_with(",1]"), "{first} {second}");
    assert_ne!(first, second, "both have the random number of one evaluation");
}

#[test]
fn an_evaluation_without_end_is_stopped_in_prepare() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "description = \"a test\"\n[limits]\ndeadline_ms = 300";
    fs::write(folder.path().join("function.toml"), manifest).unwrap();
    fs::write(folder.path().join("handler.js"), "for (;;); export default { fetch() {} }").unwrap();
    let function = Function::load(folder.path()).unwrap();
    for spec in ["wasm", NO_SNAPSHOT] {
        let error = prepare(&executor(spec), &function, Variant::Js).err().expect("it never ends");
        assert!(matches!(error.cause, Cause::DeadlineExceeded(_)), "{error}");
        assert_eq!(error.phase, Phase::Prepare);
    }
}

#[test]
fn a_handler_that_fails_says_why() {
    let prepared = handler(
        "export default { async fetch(request) {
           switch (new URL(request.url).search) {
             case '?throw': throw new RangeError('too far');
             case '?never': return new Promise(() => {});
           }
         } }",
    )
    .unwrap();
    let failure = |uri: &str| text(ask(&*prepared, get(uri))).unwrap_err();
    let thrown = failure("/?throw");
    assert!(thrown.starts_with("RangeError: too far\n") && thrown.contains("handler.js:3"), "{thrown}");
    assert_eq!(failure("/?never"), "the handler's promise never settles");
    assert!(failure("/").starts_with("TypeError: the handler's answer is not a Response"));
}

#[test]
fn endless_recursion_is_an_error() {
    let prepared = handler(
        "export default { async fetch(request) { return new Response(await eval(await request.text())) } }",
    )
    .unwrap();
    let run = |code: &str| text(ask(&*prepared, post(code)));
    let calls = [
        "const f = (n) => f(n + 1) + 1; f(0)",
        "const f = (...all) => f(...all, 1); f()",
        "class A { constructor() { new A() } } new A()",
        "const o = { toString() { return `${this}` } }; `${o}`",
        "const p = new Proxy({}, { get: (t, k, r) => r[k] }); p.x",
        "const a = [1]; const f = () => a.map(f); f()",
        "const a = [2, 1]; const f = () => a.toSorted(f); f()",
        "const f = () => 'a'.replace(/a/, f); f()",
        "function* g() { yield* g() } g().next()",
    ];
    for code in calls {
        let thrown = run(code).unwrap_err();
        assert!(thrown.starts_with("RangeError: Maximum call stack size exceeded"), "{code}: {thrown}");
        let caught = run(&format!("try {{ {code} }} catch ({{ name }}) {{ name }}"));
        assert_eq!(caught.unwrap(), "RangeError", "{code}");
    }
    // Recursion in the engine itself may reach Wasmtime's limit first.
    for code in [
        "let s = []; for (let i = 0; i < 1e5; i++) s = [s]; JSON.stringify(s)",
        "JSON.parse('['.repeat(1e6))",
        "eval('('.repeat(1e5))",
        "new RegExp('('.repeat(1e5))",
    ] {
        assert!(run(code).is_err(), "{code}");
    }
    let depth =
        run("let depth = 0; const f = () => { depth++; f() }; try { f() } catch {} String(depth)").unwrap();
    assert!(depth.parse::<u32>().unwrap() > 300, "{depth} calls deep");
}

#[test]
fn a_module_that_cannot_be_loaded_says_why() {
    for spec in ["wasm", NO_SNAPSHOT] {
        let loaded = handler_on(spec, "export default {\n async fetch( }");
        let Err(error) = loaded else { panic!("it was loaded") };
        let Cause::Artifact(reason) = &error.cause else { panic!("{error}") };
        // The loading of a module traps, and the reason ends with standard error.
        let (_, reason) = reason.split_once("instruction executed: ").unwrap_or(("", reason));
        assert!(reason.starts_with("SyntaxError: ") && reason.contains("handler.js:2"), "{error}");
    }
}

/// Whether the first poll of an invocation is its last, without a runtime.
fn answers_at_once(prepared: &dyn Prepared) -> Option<Result<String, String>> {
    let instance = prepared.start(&mut Laps::begin()).now_or_never().expect("a start that runs straight");
    let instance = instance.unwrap();
    instance.invoke(get("/"), &mut Laps::begin()).now_or_never().map(text)
}

#[test]
fn a_handler_that_names_no_timer_runs_straight() {
    let prepared = handler("export default { async fetch() { return new Response('at once') } }").unwrap();
    assert_eq!(prepared.artifact().kind, "compiled module");
    assert_eq!(answers_at_once(&*prepared), Some(Ok("at once".into())));
}

#[test]
fn a_handler_that_names_a_timer_waits_without_its_thread() {
    for set in ["setTimeout(resolve, 5)", "setInterval(resolve, 5)"] {
        let source = format!(
            "export default {{ async fetch() {{
               await new Promise((resolve) => {set});
               return new Response('later');
             }} }}"
        );
        let prepared = handler(&source).unwrap();
        assert_eq!(prepared.artifact().kind, "compiled module that can wait");
        assert!(!prepared.sleeps_on_thread());
        assert_eq!(text(ask(&*prepared, get("/"))), Ok("later".into()));
    }
}

#[test]
fn a_timer_without_its_name_waits_on_the_thread_until_the_deadline_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = "description = \"a test\"\n[limits]\ndeadline_ms = 300";
    fs::write(folder.path().join("function.toml"), manifest).unwrap();
    let source = "export default { async fetch(request) {
        const ms = new URL(request.url).search === '?long' ? 1e8 : 5;
        await new Promise((resolve) => globalThis['set' + 'Timeout'](resolve, ms));
        return new Response('later');
    } }";
    fs::write(folder.path().join("handler.js"), source).unwrap();
    let function = Function::load(folder.path()).unwrap();
    let prepared = prepare(&executor("wasm"), &function, Variant::Js).unwrap();
    assert!(prepared.sleeps_on_thread());
    assert_eq!(prepared.artifact().kind, "compiled module");
    assert_eq!(answers_at_once(&*prepared), Some(Ok("later".into())));
    let error = ask(&*prepared, get("/?long")).unwrap_err();
    assert!(matches!(error.cause, Cause::DeadlineExceeded(_)), "{error}");
}
