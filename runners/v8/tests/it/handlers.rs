//! Handlers that fail, and what handlers are given.

use isolab_core::{Cause, Phase};

use crate::support::{answer, get, handler, invoke, open, prepare, start, stop};

#[tokio::test]
async fn a_handler_that_cannot_be_evaluated_makes_no_artifact() {
    let refused = [
        ("export default {\n  fetch( {\n};", "handler.js:3:"),
        ("\nthrow new TypeError('at once');", "TypeError: at once\n    at handler.js:2:7"),
        ("await Promise.reject(new RangeError('late'));", "RangeError: late"),
        ("await new Promise(() => {});", "never settles"),
        ("import 'node:fs'; export default {};", "imports `node:fs`"),
        ("export const fetch = 1;", "not an object with a function `fetch`"),
        ("export default { fetch: 1 };", "not an object with a function `fetch`"),
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

/// Buffers that grow would escape the memory limit.
#[tokio::test]
async fn handlers_have_no_resizable_buffers() {
    let folder = tempfile::tempdir().unwrap();
    let source = r"
    const options = { maxByteLength: 1 << 20 };
    class Sub extends ArrayBuffer {}
    const refused = (make) => { try { return String(make().resizable) } catch (error) { return error.name } };
    export default { fetch() {
      Object.prototype.get = Object.prototype.apply = (target) => { leaked = target };
      Array.prototype[1] = options;
      let leaked, reads = 0;
      const shy = { get maxByteLength() { return reads++ ? 1 << 20 : undefined } };
      const makes = [
        () => new ArrayBuffer(8, options),
        () => new Sub(8, options),
        () => Reflect.construct(ArrayBuffer, [8, options]),
        () => Reflect.construct(ArrayBuffer, [8, options], Object),
        () => new (new Uint8Array(1).buffer.constructor)(8, options),
        () => new ArrayBuffer[Symbol.species](8, options),
        () => new ArrayBuffer(8, Object.create(options)),
      ];
      const usual = [
        () => new ArrayBuffer(8, shy),
        () => new ArrayBuffer(8, {}),
        () => new Sub(8),
        () => new ArrayBuffer(8).slice(1),
        () => new ArrayBuffer(8).transfer(16),
        () => new Uint8Array(8).buffer,
      ];
      const made = [...makes, ...usual].map(refused).join();
      delete Object.prototype.get; delete Object.prototype.apply; delete Array.prototype[1];
      const same = new Uint8Array(1).buffer instanceof ArrayBuffer && new Sub(8) instanceof Sub
        && ArrayBuffer.isView(new Uint8Array(1)) && new ArrayBuffer(8).constructor === ArrayBuffer
        && new ArrayBuffer(8).byteLength === 8 && ArrayBuffer.name === 'ArrayBuffer';
      return new Response(made + ' ' + leaked + ' ' + same);
    } }";
    for spec in ["v8", "v8:snapshot=off"] {
        let prepared =
            prepare(&open(spec, folder.path()), &handler(folder.path(), "", source)).await.unwrap();
        let instance = start(&*prepared).await;
        let body = invoke(&*instance, get("/")).await.unwrap().into_body();
        let expected = format!("{}{} undefined true", "RangeError,".repeat(7), ["false"; 6].join(","));
        assert_eq!(body, expected, "{spec}");
        stop(instance).await;
    }
}

#[tokio::test]
async fn an_exception_is_reported_with_its_place() {
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
        let Cause::Threw(text) = &error.cause else { panic!("{body}: {error}") };
        assert!(text.contains(expected), "{body}: {text}");
    }
}

/// The memories of Wasm would escape the memory limit.
#[tokio::test]
async fn handlers_have_no_wasm() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch() { return new Response(typeof WebAssembly) } }";
    for spec in ["v8", "v8:snapshot=off"] {
        let prepared =
            prepare(&open(spec, folder.path()), &handler(folder.path(), "", source)).await.unwrap();
        let instance = start(&*prepared).await;
        assert_eq!(invoke(&*instance, get("/")).await.unwrap().body(), "undefined");
        stop(instance).await;
    }
}
