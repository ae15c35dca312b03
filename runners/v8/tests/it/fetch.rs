//! Outbound requests of handlers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};
use http::{HeaderMap, Method};
use isolab_core::function::Host;
use isolab_core::{Cause, Error, Executor as _, Instance, Prepared, Request, Variant};
use isolab_outbound::origin::Origin;
use tokio::net::TcpSocket;

use crate::support::{ORIGIN, get, handler, invoke, open, open_with, origin_host, prepare, start, stop};

/// Each path of this handler is one kind of request.
const SOURCE: &str = "
    let kept;
    const origin = (path) => `http://origin${path}`;
    const failure = (promise) => promise.then((answer) => `answered ${answer.status}`, (error) => `${error}`);
    const pages = {
      async get() {
        const answer = await fetch(origin('/delay/1?bytes=5'));
        return [answer.status, answer.ok, answer.statusText, answer.url, await answer.text(), answer.bodyUsed];
      },
      async post() {
        const headers = { 'x-a': '1', host: 'elsewhere', connection: 'x-a' };
        const echoed = await fetch(origin('/echo'), { method: 'POST', body: 'gr\\u00fc\\u00df' });
        const head = await fetch(new Request(origin('/head?q'), { method: 'PUT', headers: { 'x-b': '2' }, body: 'abc' }));
        const forbidden = await fetch(origin('/head'), { headers });
        return [await echoed.text(), await head.text(), await forbidden.text()];
      },
      async fanout(count) {
        const one = async (index) => (await (await fetch(origin(`/delay/${40 - index}?bytes=${index}`))).text()).length;
        return Promise.all([...Array(count).keys()].map(one));
      },
      async refused() {
        const urls = ['http://other/', 'https://origin/', 'http://origin:81/', 'ftp://origin/', 'nothing', 'http://closed/'];
        return Promise.all(urls.map((url) => failure(fetch(url))));
      },
      async kinds() {
        let types = [];
        for (const url of ['http://other/', 'nothing']) await fetch(url).catch((error) => types.push(error instanceof TypeError));
        const redirect = await fetch(origin('/status/302'));
        const empty = await fetch(origin('/status/204'));
        return [types, redirect.status, redirect.headers.get('location'), redirect.redirected, empty.body];
      },
      async broken() { return failure(fetch(origin('/break?bytes=3')).then((answer) => answer.text())); },
      async silent() { await fetch('http://silent/'); },
      async drip() { return (await (await fetch(origin('/drip?ms=1&pieces=1000000&bytes=1'))).text()).length; },
      async endless() { return (await (await fetch(origin('/drip?bytes=65536'))).arrayBuffer()).byteLength; },
      async flood(count) {
        const outcomes = await Promise.all([...Array(count).keys()].map(() => failure(fetch(origin('/delay/5')))));
        return [...new Set(outcomes)].sort();
      },
      async unread(count) {
        for (let i = 0; i < count; i++) await fetch(origin('/delay/0?bytes=1'));
        return 'done';
      },
      async cancelled(count) {
        for (let i = 0; i < count; i++) await (await fetch(origin('/delay/0?bytes=1'))).body.cancel();
        return 'done';
      },
      async keep() { kept = await fetch(origin('/delay/0?bytes=3')); return 'kept'; },
      async useKept() { return failure(kept.text().then((text) => ({ status: text }))); },
      async leave() { fetch(origin('/delay/100000')); return 'left'; },
      async spin() { await fetch(origin('/delay/1')); for (;;); },
      async stray() { fetch(origin('/delay/1')).then(() => { queueMicrotask(() => { throw new RangeError('stray') }) }); await fetch(origin('/delay/10000')); },
      async heads() {
        const long = 'x'.repeat(1 << 20);
        const many = Array.from({ length: 100 }, (_, index) => [`a${index}`, long]);
        return Promise.all([
          failure(fetch(origin('/head'), { headers: many })),
          failure(fetch(origin(`/${long}`))),
          failure(fetch(origin('/head'), { method: long })),
        ]);
      },
      async env() { return [env0, Object.isFrozen(env0)]; },
      async count() { return 1; },
    };
    let env0;
    export default {
      async fetch(request, env) {
        env0 = env;
        const url = new URL(request.url);
        return Response.json(await pages[url.pathname.slice(1)](Number(url.searchParams.get('n'))));
      },
    };";

/// An origin, and instances of the handler above.
struct Lab {
    _origin: Origin,
    _silent: std::net::TcpListener,
    _closed: TcpSocket,
    _folder: tempfile::TempDir,
    _prepared: Arc<dyn Prepared>,
    instance: Box<dyn Instance>,
}

async fn lab(spec: &str, settings: &str) -> Lab {
    let (origin, folder) = (Origin::start().unwrap(), tempfile::tempdir().unwrap());
    // Accepts connections, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let host = |name: &str| Host { name: name.into(), port: 80 };
    let hosts = BTreeMap::from([
        (origin_host(), origin.address()),
        (host("silent"), silent.local_addr().unwrap()),
        (host("closed"), closed.local_addr().unwrap()),
    ]);
    let executor = open_with(spec, folder.path(), hosts);
    let prepared = prepare(&executor, &granted(folder.path(), settings)).await.unwrap();
    let instance = start(&*prepared).await;
    Lab { _origin: origin, _silent: silent, _closed: closed, _folder: folder, _prepared: prepared, instance }
}

fn granted(folder: &Path, settings: &str) -> isolab_core::Function {
    handler(folder, &format!("{settings}\n{ORIGIN}\nenv = {{ B = \"2\", A = \"1\" }}"), SOURCE)
}

impl Lab {
    async fn text(&self, uri: &str) -> String {
        let response =
            invoke(&*self.instance, get(uri)).await.unwrap_or_else(|error| panic!("{uri}: {error}"));
        String::from_utf8(response.body().to_vec()).unwrap()
    }

    async fn error(&self, uri: &str) -> Error {
        invoke(&*self.instance, get(uri)).await.unwrap_err()
    }
}

#[tokio::test]
async fn requests_are_sent_and_answered() {
    for spec in ["v8", "v8:snapshot=off"] {
        let lab = lab(spec, "").await;
        let got = r#"[200,true,"OK","http://origin/delay/1?bytes=5","xxxxx",true]"#;
        assert_eq!(lab.text("/get").await, got);
        let heads = [
            "PUT /head?q\ncontent-length: 3\ncontent-type: text/plain;charset=UTF-8\nhost: origin\nx-b: 2\n",
            "GET /head\nhost: origin\n",
        ];
        let [put, forbidden] = heads.map(|head| head.replace('\n', "\\n"));
        assert_eq!(lab.text("/post").await, format!(r#"["grüß","{put}","{forbidden}"]"#));
        let kinds = r#"[[true,true],302,"/echo",false,null]"#;
        assert_eq!(lab.text("/kinds").await, kinds);
        stop(lab.instance).await;
    }
}

#[tokio::test]
async fn several_requests_are_on_their_way_at_once_and_answered_in_order() {
    let lab = lab("v8", "").await;
    let expected: Vec<_> = (0..40).map(|index| index.to_string()).collect();
    let expected = format!("[{}]", expected.join(","));
    let answers = join_all((0..5).map(|_| lab.text("/fanout?n=40"))).await;
    assert!(answers.iter().all(|answer| *answer == expected), "{answers:?}");
}

#[tokio::test]
async fn requests_to_other_hosts_are_type_errors_with_the_reason() {
    let lab = lab("v8", "").await;
    let text = lab.text("/refused").await;
    let reasons: Vec<String> = serde_json::from_str(&text).unwrap();
    for (reason, expected) in reasons.iter().zip([
        "TypeError: the function is not granted the host `other:80`",
        "TypeError: `https://origin/` is not a request of plain HTTP",
        "TypeError: the function is not granted the host `origin:81`",
        "TypeError: `ftp://origin/` is not a request of plain HTTP",
        "TypeError: ",
        "TypeError: `closed:80` cannot be reached: ",
    ]) {
        assert!(reason.starts_with(expected), "{reason}");
    }
    let broken = lab.text("/broken").await;
    assert!(broken.contains("TypeError: the exchange with `origin:80` broke off: "), "{broken}");
}

#[tokio::test]
async fn a_function_without_grants_can_ask_nobody() {
    let source = "export default { async fetch() {
        return new Response(await fetch('http://origin/').catch((error) => `${error}`)) } }";
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), "", source)).await.unwrap();
    let answer = invoke(&*start(&*prepared).await, get("/")).await.unwrap();
    assert!(answer.body().starts_with(b"TypeError: the function is not granted the host `origin:80`"));
}

#[tokio::test]
async fn an_origin_that_is_silent_or_slow_fails_its_request_alone_at_the_deadline() {
    let lab = lab("v8", "deadline_ms = 1000").await;
    let failures = join_all(["/silent", "/drip"].map(|uri| lab.error(uri)));
    let (failures, other) = join(failures, lab.text("/get")).await;
    assert!(other.contains("xxxxx"));
    for error in failures {
        assert_eq!(error.cause, Cause::DeadlineExceeded(Duration::from_secs(1)));
        assert!(error.spares_instance);
    }
    assert_eq!(lab.text("/count").await, "1");
}

#[tokio::test]
async fn the_number_of_requests_at_a_time_is_bounded() {
    let lab = lab("v8", "").await;
    let text = lab.text("/flood?n=10000").await;
    assert!(
        text.contains("answered 200") && text.contains("256 outbound requests at a time at most"),
        "{text}"
    );
    let error = lab.error("/unread?n=300").await;
    assert!(error.to_string().contains("256 outbound requests at a time at most"), "{error}");
    assert_eq!(lab.text("/cancelled?n=300").await, "\"done\"");
    assert_eq!(lab.text("/count").await, "1");
}

/// One long string in many headers takes little of the heap, and would be copied for each.
#[tokio::test]
async fn the_head_of_a_request_is_bounded() {
    let lab = lab("v8", "").await;
    let text = lab.text("/heads").await;
    assert_eq!(text.matches("at most 65536 bytes").count(), 3, "{text}");
}

#[tokio::test]
async fn the_head_of_an_answer_is_bounded() {
    let source = "export default { fetch() {
        const long = 'x'.repeat(1 << 20);
        return new Response('', { headers: Array.from({ length: 100 }, (_, index) => [`a${index}`, long]) });
    } }";
    let error = crate::support::answer("", source, get("/")).await.unwrap_err();
    assert!(error.to_string().contains("its headers are larger than 65536 bytes"), "{error}");
}

#[tokio::test]
async fn a_body_without_end_is_stopped_by_the_memory_limit() {
    let lab = lab("v8", "memory_bytes = 33554432").await;
    let error = lab.error("/endless").await;
    let text = error.to_string();
    assert!(matches!(error.cause, Cause::OutOfMemory(_) | Cause::Threw(_)), "{text}");
}

#[tokio::test]
async fn requests_end_with_the_request_that_has_sent_them() {
    let lab = lab("v8", "").await;
    assert_eq!(lab.text("/leave").await, "\"left\"");
    assert_eq!(lab.text("/keep").await, "\"kept\"");
    let text = lab.text("/useKept").await;
    assert!(text.contains("TypeError: the body belongs to another request"), "{text}");
}

#[tokio::test]
async fn the_code_after_an_answer_belongs_to_its_request() {
    let lab = lab("v8", "deadline_ms = 1000").await;
    let (stray, other) = join(lab.error("/stray"), lab.text("/get")).await;
    assert!(stray.to_string().contains("RangeError: stray") && stray.spares_instance, "{stray}");
    assert!(other.contains("xxxxx"));
    let error = lab.error("/spin").await;
    assert_eq!(error.cause, Cause::DeadlineExceeded(Duration::from_secs(1)));
    assert!(!error.spares_instance);
}

#[tokio::test]
async fn granted_environment_variables_are_seen_and_cannot_be_changed() {
    for spec in ["v8", "v8:snapshot=off"] {
        let lab = lab(spec, "").await;
        assert_eq!(lab.text("/env").await, r#"[{"A":"1","B":"2"},true]"#);
    }
}

#[tokio::test]
async fn grants_that_cannot_be_honoured_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let executor = open("v8", folder.path());
    let source = "export default { fetch() { return new Response() } }";
    let function = handler(folder.path(), "[grants]\nargs = [\"a\"]", source);
    let reason = executor.supports(&function, Variant::Js).unwrap_err();
    assert!(reason.contains("cannot grant arguments"), "{reason}");
    assert!(executor.supports(&granted(folder.path(), ""), Variant::Js).is_ok());
}

#[tokio::test]
async fn a_request_can_be_passed_on() {
    let (origin, folder) = (Origin::start().unwrap(), tempfile::tempdir().unwrap());
    let source = "export default { async fetch(request) {
        return fetch('http://origin/echo', { method: request.method, body: request.body }) } }";
    let function = handler(folder.path(), ORIGIN, source);
    let hosts = BTreeMap::from([(origin_host(), origin.address())]);
    let prepared = prepare(&open_with("v8", folder.path(), hosts), &function).await.unwrap();
    let body = Bytes::from(vec![7; 3 << 20]);
    let request = Request::new(Method::POST, "/".parse().unwrap(), HeaderMap::new(), body.clone());
    let answer = invoke(&*start(&*prepared).await, request).await.unwrap();
    assert!(*answer.body() == body);
}
