//! The engine compiled to Wasm, with a handler put into it by Wizer.

use isolab_sdk::{Request, wire};
use wasmtime::{Config, Engine, Linker, Memory, Module, Store};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wizer::{WasmtimeWizer, Wizer};

/// Far more than any test writes.
const OUTPUT_BYTES: usize = 1 << 20;

const HELLO: &str = include_str!("../../../../functions/hello/handler.js");

struct Host {
    engine: Engine,
    linker: Linker<WasiP1Ctx>,
}

struct Streams {
    output: MemoryOutputPipe,
    error: MemoryOutputPipe,
}

impl Host {
    fn new() -> Self {
        let engine = Engine::new(Config::new().max_wasm_stack(512 << 10)).unwrap();
        let mut linker = Linker::new(&engine);
        p1::add_to_linker_sync(&mut linker, |context| context).unwrap();
        Self { engine, linker }
    }

    fn store(&self, input: &str) -> (Store<WasiP1Ctx>, Streams) {
        let streams = Streams {
            output: MemoryOutputPipe::new(OUTPUT_BYTES),
            error: MemoryOutputPipe::new(OUTPUT_BYTES),
        };
        let context = WasiCtxBuilder::new()
            .stdin(MemoryInputPipe::new(input.to_owned()))
            .stdout(streams.output.clone())
            .stderr(streams.error.clone())
            .build_p1();
        (Store::new(&self.engine, context), streams)
    }

    /// The module of a handler, or what the engine says about it.
    fn snapshot(&self, handler: &str) -> Result<Module, String> {
        let wasm = std::fs::read(isolab_wasm::javascript::engine().unwrap()).unwrap();
        let wizer = Wizer::new();
        let (context, instrumented) = wizer.instrument(&wasm).unwrap();
        let (mut store, streams) = self.store(handler);
        let module = Module::new(&self.engine, instrumented).unwrap();
        let instance = self.linker.instantiate(&mut store, &module).unwrap();
        let initialise = instance.get_typed_func::<(), ()>(&mut store, "wizer-initialize").unwrap();
        initialise.call(&mut store, ()).map_err(|_| text(&streams.error))?;
        let mut state = WasmtimeWizer { store: &mut store, instance };
        let mut snapshot = std::pin::pin!(wizer.snapshot(&context, &mut state));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match snapshot.as_mut().poll(&mut context) {
            std::task::Poll::Ready(wasm) => Ok(Module::new(&self.engine, wasm.unwrap()).unwrap()),
            std::task::Poll::Pending => unreachable!("reading a synchronous store never waits"),
        }
    }

    fn start(&self, module: &Module) -> Started {
        let (mut store, streams) = self.store("");
        let instance = self.linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Started { store, instance, memory, streams }
    }
}

struct Started {
    store: Store<WasiP1Ctx>,
    instance: wasmtime::Instance,
    memory: Memory,
    streams: Streams,
}

impl Started {
    /// The body of the answer, or standard error if there is none.
    fn answer(&mut self, request: &Request<'_>) -> Result<String, String> {
        let (store, memory) = (&mut self.store, self.memory);
        let room = self.instance.get_typed_func::<u32, u32>(&mut *store, "isolab_request").unwrap();
        let handle = self.instance.get_typed_func::<(), u32>(&mut *store, "isolab_handle").unwrap();
        let mut bytes = Vec::new();
        wire::encode_request(request, &mut bytes);
        let start = room.call(&mut *store, bytes.len() as u32).unwrap();
        memory.write(&mut *store, start as usize, &bytes).unwrap();
        let start = handle.call(&mut *store, ()).map_err(|_| text(&self.streams.error))? as usize;
        let data = &memory.data(&*store)[start..];
        let (len, rest) = data.split_first_chunk::<4>().unwrap();
        let response = wire::decode_response(&rest[..u32::from_le_bytes(*len) as usize]).unwrap();
        Ok(String::from_utf8(response.body).unwrap())
    }

    fn get(&mut self, query: &str) -> Result<String, String> {
        self.answer(&Request { method: "GET", path: "/", query, ..Request::default() })
    }
}

fn post(body: &str) -> Request<'_> {
    Request { method: "POST", path: "/", body: body.as_bytes(), ..Request::default() }
}

fn text(stream: &MemoryOutputPipe) -> String {
    String::from_utf8(stream.contents().to_vec()).unwrap()
}

#[test]
fn a_handler_answers_from_its_snapshot() {
    let host = Host::new();
    let snapshot = host.snapshot(HELLO).unwrap();
    let (mut first, mut second) = (host.start(&snapshot), host.start(&snapshot));
    assert_eq!(first.get("myName=J%C3%BCrgen").unwrap(), r#"{"message":"Hello Jürgen"}"#);
    assert_eq!(second.get("").unwrap(), r#"{"message":"Hello World"}"#);
    for _ in 0..100 {
        assert_eq!(first.answer(&post(r#"{"myName":"Ada"}"#)).unwrap(), r#"{"message":"Hello Ada"}"#);
    }
}

#[test]
fn instances_share_what_was_evaluated_but_not_their_chance_and_time() {
    let host = Host::new();
    let handler = "const early = [Math.random(), Date.now()];
                   let uses = 0;
                   console.log('evaluated');
                   export default { fetch() {
                     console.warn('used', ++uses);
                     return Response.json([...early, uses, Math.random(), Date.now()]);
                   } }";
    let snapshot = host.snapshot(handler).unwrap();
    let answer = || {
        let mut instance = host.start(&snapshot);
        let body = instance.get("").unwrap();
        assert_eq!(text(&instance.streams.output), "used 1\n");
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
fn a_handler_that_fails_says_why_and_traps() {
    let host = Host::new();
    let handler = "export default { async fetch(request) {
        switch (new URL(request.url).search) {
          case '?throw': throw new RangeError('too far');
          case '?never': return new Promise(() => {});
        }
      } }";
    let snapshot = host.snapshot(handler).unwrap();
    let failure = |query: &str| host.start(&snapshot).get(query).unwrap_err();
    let thrown = failure("throw");
    assert!(thrown.starts_with("RangeError: too far\n") && thrown.contains("handler.js:3"), "{thrown}");
    assert_eq!(failure("never"), "the handler's promise never settles\n");
    assert!(failure("").starts_with("TypeError: the handler's answer is no Response"));
}

#[test]
fn endless_recursion_is_an_error() {
    let host = Host::new();
    let snapshot = host.snapshot(
        "export default { async fetch(request) { return new Response(await eval(await request.text())) } }",
    );
    let snapshot = snapshot.unwrap();
    let run = |code: &str| host.start(&snapshot).answer(&post(code));
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
        assert_eq!(
            run(&format!("try {{ {code} }} catch ({{ name }}) {{ name }}")).unwrap(),
            "RangeError",
            "{code}"
        );
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
    let error = Host::new().snapshot("export default {\n async fetch( }").unwrap_err();
    assert!(error.starts_with("SyntaxError: ") && error.contains("handler.js:2"), "{error}");
}
