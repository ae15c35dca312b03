//! Grants of handlers in the V8 server.

use futures_util::future::join_all;
use isolab_core::Variant;

use super::{Lab, stop, text};

const FETCHES: &str = r#"
const failure = (promise) => promise.then((answer) => `answered ${answer.status}`, (error) => `${error}`);
const all = async (count) => {
  const answers = await Promise.all(Array.from({ length: count }, () => fetch("http://origin/delay/5")));
  return (await Promise.all(answers.map((answer) => answer.text()))).length;
};
const pages = {
  async head() {
    const headers = { "x-a": "b", host: "other", connection: "x-a" };
    const answer = await fetch("http://ORIGIN:80/head?y=1#z", { method: "PUT", headers, body: "abc" });
    return `${answer.status} ${answer.headers.get("x-isolab-outbound")} ${await answer.text()}`;
  },
  kinds: async () => {
    const redirect = await fetch("http://origin/status/302");
    const empty = await fetch("http://origin/status/204");
    return [redirect.status, redirect.headers.get("location"), redirect.redirected, empty.status, empty.body];
  },
  refused: () => Promise.all(["http://other/", "http://origin:81/", "https://origin/", "http://origin@other/"]
    .map((url) => failure(fetch(url)))),
  broken: () => failure(fetch("http://origin/break?bytes=3").then((answer) => answer.text())),
  many: () => all(256),
  unread: async () => { for (let i = 0; i < 256; i++) await fetch("http://origin/delay/0?bytes=1000000"); },
  given: async () => { for (let i = 0; i < 600; i++) await (await fetch("http://origin/delay/0?bytes=1000000")).body.cancel(); },
  silent: () => fetch("http://origin/delay/100000"),
  calm: () => "calm",
};
export default { async fetch(request, env) {
  const page = new URL(request.url).pathname.slice(1);
  const value = page === "env" ? [env, Object.isFrozen(env), typeof process] : await pages[page]();
  return new Response(JSON.stringify(value ?? null));
} };
"#;

const HOSTS: &str = "[grants]\nhosts = ['origin']\n";

#[tokio::test]
async fn a_handler_reaches_the_hosts_that_it_is_granted_and_no_others() {
    for spec in ["docker:javascript=v8", "docker:javascript=v8,network=none", "process:javascript=v8"] {
        let Some(lab) = Lab::open(spec).await else { return };
        let instance = lab.start(&lab.handler("fetches", HOSTS, FETCHES)).await.unwrap();
        let head = r#""200 null PUT /head?y=1\ncontent-length: 3\ncontent-type: text/plain;charset=UTF-8\nhost: origin\n""#;
        assert_eq!(text(&*instance, "/head").await.unwrap(), head);
        assert_eq!(text(&*instance, "/kinds").await.unwrap(), r#"[302,"/echo",false,204,null]"#);
        let refused = text(&*instance, "/refused").await.unwrap();
        let refused: Vec<String> = serde_json::from_str(&refused).unwrap();
        let expected = [
            "TypeError: the function is not granted the host `other:80`",
            "TypeError: the function is not granted the host `origin:81`",
            "TypeError: `https://origin/` is not a request of plain HTTP",
            "TypeError: ",
        ];
        assert!(refused.iter().zip(expected).all(|(text, start)| text.starts_with(start)), "{refused:?}");
        let broken = text(&*instance, "/broken").await.unwrap();
        assert!(broken.contains("TypeError: the exchange with `origin:80` broke off"), "{broken}");
        // After all of that, the connections to the host still carry requests.
        assert_eq!(text(&*instance, "/many").await.unwrap(), "256");
        stop(instance).await;
        lab.close().await;
    }
}

#[tokio::test]
async fn a_handler_without_granted_hosts_reaches_none() {
    let Some(lab) = Lab::open("docker:javascript=v8").await else { return };
    let instance = lab.start(&lab.handler("fetches-nothing", "", FETCHES)).await.unwrap();
    let refused = text(&*instance, "/refused").await.unwrap();
    assert!(refused.contains("not granted the host `origin:81`"), "{refused}");
    let refused = text(&*instance, "/broken").await.unwrap();
    assert!(refused.contains("not granted the host `origin:80`"), "{refused}");
    stop(instance).await;
    lab.close().await;
}

/// The host takes 256 connections from a container. Others wait there for their turn.
#[tokio::test]
async fn connections_to_the_host_are_bounded_and_come_free_again() {
    let Some(lab) = Lab::open("docker:javascript=v8,concurrency=8").await else { return };
    let instance = lab.start(&lab.handler("fetches-much", HOSTS, FETCHES)).await.unwrap();
    // The first one holds all connections until its end. Answers that are cancelled, and requests that are
    // given up by their client, hold none.
    for path in ["/unread", "/given", "/unread"] {
        assert_eq!(text(&*instance, path).await.as_deref(), Ok("null"), "{path}");
    }
    let mut silent = Box::pin(join_all((0..4).map(|_| text(&*instance, "/silent"))));
    tokio::select! {
        biased;
        answers = &mut silent => panic!("{answers:?}"),
        calm = text(&*instance, "/calm") => assert_eq!(calm.as_deref(), Ok("\"calm\"")),
    }
    drop(silent);
    let many = join_all((0..4).map(|_| text(&*instance, "/many"))).await;
    assert!(many.iter().all(|answer| answer.as_deref() == Ok("256")), "{many:?}");
    stop(instance).await;
    lab.close().await;
}

#[tokio::test]
async fn the_environment_is_that_of_the_grants() {
    for spec in ["docker:javascript=v8", "docker:javascript=v8,network=bridge"] {
        let Some(lab) = Lab::open(spec).await else { return };
        let toml = "[grants]\nenv = { LANGUAGE = 'a \"b\"\\\\n=c', 'Ä' = '' }\n";
        let instance = lab.start(&lab.handler("tells", toml, FETCHES)).await.unwrap();
        let told = text(&*instance, "/env").await.unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let variables = serde_json::json!({ "LANGUAGE": "a \"b\"\\\\n=c", "Ä": "" });
        assert_eq!(told, serde_json::json!([variables, true, "undefined"]), "{spec}");
        stop(instance).await;
        lab.close().await;
    }
}

/// A source that does not name `fetch` gets it by the grant, as on `v8`.
#[tokio::test]
async fn a_handler_that_hides_its_fetch_has_it_if_it_is_granted_a_host() {
    let Some(lab) = Lab::open("docker:javascript=v8").await else { return };
    let code = r#"const ask = globalThis["fet" + "ch"];
        export default { fetch: async () => new Response(typeof ask === "function"
            ? await (await ask("http://origin/delay/0?bytes=3")).text() : typeof ask) };"#;
    for (toml, expected) in [("", "undefined"), (HOSTS, "xxx")] {
        let instance = lab.start(&lab.handler("hides", toml, code)).await.unwrap();
        assert_eq!(text(&*instance, "/").await.as_deref(), Ok(expected));
        stop(instance).await;
    }
    lab.close().await;
}

#[tokio::test]
async fn grants_that_a_handler_could_not_use_are_refused_with_the_reason() {
    let Some(lab) = Lab::open("docker:javascript=v8").await else { return };
    std::fs::create_dir_all(lab.folder.path().join("refused/data")).unwrap();
    for (grant, word) in
        [("args = ['--fast']", "arguments"), ("folders = [{ path = 'data', at = '/data' }]", "folders")]
    {
        let function = lab.handler("refused", &format!("[grants]\n{grant}\n"), FETCHES);
        let reason = lab.executor.supports(&function, Variant::Js).unwrap_err();
        assert!(reason.contains(word) && reason.contains("docker:javascript=node"), "{reason}");
    }
    lab.close().await;
}
