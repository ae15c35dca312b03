//! The powers of a handler in a foreign runtime.

use std::io::ErrorKind;
use std::net::TcpListener;

use isolab_core::{Cause, Executor as _, Variant};

use crate::support::{Lab, function, get, stop};

const READS_ENVIRONMENT: &str = "export default { fetch(request, env) {
    return new Response(JSON.stringify([env, Object.isFrozen(env)]));
} };";

#[tokio::test]
async fn a_handler_sees_the_variables_that_it_is_granted_and_no_other() {
    for lab in Lab::each() {
        for (name, toml, expected) in [
            (
                "granted",
                "[grants]\nenv = { A = \"b \\\"c\\\" \\u00e4\", \"D,E\" = \"\" }",
                r#"[{"A":"b \"c\" ä","D,E":""},true]"#,
            ),
            ("bare", "", "[{},true]"),
        ] {
            let instance = lab.start(&lab.handler(name, toml, READS_ENVIRONMENT)).await.unwrap();
            assert_eq!(get(&*instance, "/").await.unwrap().body(), expected, "{}", lab.name());
            stop(instance).await;
        }
    }
}

#[tokio::test]
async fn a_handler_sees_the_url_that_it_sees_elsewhere() {
    let code = "export default { fetch(request) {
        return new Response([request.url, request.clone().url, new Request(request).url].join(\" \"));
    } };";
    for lab in Lab::each() {
        let instance = lab.start(&lab.handler("url", "", code)).await.unwrap();
        let url = "http://localhost/a%20b?c=/d";
        let answer = get(&*instance, "/a%20b?c=/d").await.unwrap();
        assert_eq!(answer.body(), &format!("{url} {url} {url}"), "{}", lab.name());
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_handler_without_granted_hosts_reaches_none() {
    let code = "export default { async fetch() { return fetch(\"http://127.0.0.1:1/\"); } };";
    for lab in Lab::each() {
        let instance = lab.start(&lab.handler("reaches", "", code)).await.unwrap();
        let Cause::Threw(text) = get(&*instance, "/").await.unwrap_err() else { panic!("{}", lab.name()) };
        assert!(text.contains("not granted the host `127.0.0.1:1`"), "{}: {text}", lab.name());
        stop(instance).await;
    }
}

/// The ways to a connection beside `fetch`. A handler answers whether it has one.
const WAYS: [(&str, &str); 2] = [
    ("deno", "const open = (hostname, port) => Deno.connect({ hostname, port });"),
    (
        "workerd",
        "import { connect } from \"cloudflare:sockets\";
        const open = (hostname, port) => connect({ hostname, port }).opened;",
    ),
];

#[tokio::test]
async fn a_handler_opens_no_connection_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for lab in Lab::each() {
        let (_, way) = WAYS.iter().find(|(name, _)| *name == lab.name()).unwrap();
        let code = format!(
            "{way}
            export default {{ async fetch() {{
                const outcome = await open(\"127.0.0.1\", {port}).then(() => \"opened\", () => \"refused\");
                return new Response(outcome);
            }} }};"
        );
        let instance = lab.start(&lab.handler("connects", "", &code)).await.unwrap();
        assert_eq!(get(&*instance, "/").await.unwrap().body(), "refused", "{}", lab.name());
        stop(instance).await;
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "{}", lab.name());
    }
}

#[tokio::test]
async fn a_module_that_is_not_a_handler_is_an_error_of_its_start() {
    for lab in Lab::each() {
        for (name, code, expected) in [
            ("empty", "export const x = 1;", "no function `fetch`"),
            ("throws", "throw new Error(\"bad day\");", "bad day"),
        ] {
            let error = lab.start(&lab.handler(name, "", code)).await.err().unwrap();
            assert!(error.to_string().contains(expected), "{}: {error}", lab.name());
        }
    }
}

#[test]
fn other_variants_and_grants_without_a_way_to_them_are_refused() {
    for lab in Lab::each() {
        let refused = lab.foreign.supports(&function("hello"), Variant::Rust).unwrap_err();
        assert!(refused.contains("handlers in JavaScript"), "{refused}");
        let toml = "[grants]\nfolders = [{ path = \"/tmp\", at = \"/data\" }]";
        let folder = lab.handler("folders", toml, "export default { fetch() {} };");
        let refused = lab.foreign.supports(&folder, Variant::Js).unwrap_err();
        assert!(refused.contains("cannot grant folders"), "{refused}");
    }
}
