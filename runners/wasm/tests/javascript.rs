//! JavaScript handlers in the engine that is compiled to Wasm: what they keep from
//! being evaluated once, and how they fail.

mod support;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::{Cause, Error, Function, Laps, Prepared, Request, Response, Variant};
use isolab_wasm::Wasm;
use support::{ask, get, open, prepare, ready};

/// The cache stays from one run to the next, as compiling the engine takes seconds.
fn executor() -> Wasm {
    open("wasm", Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// A handler's source, evaluated and compiled.
fn handler(source: &str) -> Result<Arc<dyn Prepared>, Error> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("function.toml"), "description = \"a test\"").unwrap();
    fs::write(folder.path().join("handler.js"), source).unwrap();
    prepare(&executor(), &Function::load(folder.path()).unwrap(), Variant::Js)
}

fn post(body: &str) -> Request {
    Request::new(
        Method::POST,
        "/".parse().unwrap(),
        HeaderMap::new(),
        Bytes::copy_from_slice(body.as_bytes()),
    )
}

fn text(answer: Result<Response, Error>) -> Result<String, String> {
    match answer {
        Ok(response) => Ok(String::from_utf8(response.into_body().to_vec()).unwrap()),
        Err(Error { cause: Cause::Trapped(reason), .. }) => Err(reason),
        Err(error) => panic!("{error}"),
    }
}

/// What is logged while `work` runs, a line each.
fn logged<T>(work: impl FnOnce() -> T) -> (T, String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || sink.clone())
        .with_ansi(false)
        .without_time()
        .with_level(false)
        .finish();
    let value = tracing::subscriber::with_default(subscriber, work);
    let bytes = log.0.lock().unwrap().clone();
    (value, String::from_utf8(bytes).unwrap())
}

#[test]
fn an_instance_answers_again_and_again() {
    let hello = handler(include_str!("../../../functions/hello/handler.js")).unwrap();
    let mut instance = ready(hello.start(&mut Laps::begin())).unwrap();
    for _ in 0..100 {
        let answer = ready(instance.invoke(post(r#"{"myName":"Ada"}"#), &mut Laps::begin()));
        assert_eq!(text(answer).unwrap(), r#"{"message":"Hello Ada"}"#);
    }
    ready(instance.stop(&mut Laps::begin())).unwrap();
}

#[test]
fn instances_share_what_was_evaluated_but_not_their_chance_and_time() {
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
        assert!(log.contains("used 1\n") && !log.contains("evaluated"), "{log}");
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
    assert!(thrown.contains(": RangeError: too far\n") && thrown.contains("handler.js:3"), "{thrown}");
    let never = failure("/?never");
    assert!(never.ends_with(": the handler's promise never settles"), "{never}");
    let nothing = failure("/");
    assert!(nothing.contains(": TypeError: the handler's answer is no Response"), "{nothing}");
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
        assert!(thrown.contains(": RangeError: Maximum call stack size exceeded"), "{code}: {thrown}");
        let caught = run(&format!("try {{ {code} }} catch ({{ name }}) {{ name }}"));
        assert_eq!(caught.unwrap(), "RangeError", "{code}");
    }
    // What the engine itself does recursively may end at Wasmtime's limit instead.
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
    let Err(error) = handler("export default {\n async fetch( }") else { panic!("it was loaded") };
    let Cause::Artifact(reason) = &error.cause else { panic!("{error}") };
    assert!(reason.contains("SyntaxError: ") && reason.contains("handler.js:2"), "{error}");
}
