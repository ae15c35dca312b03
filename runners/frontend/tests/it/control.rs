//! The pages for experiments.

use std::sync::Arc;

use http::Method;
use isolab_core::{Cause, Phase, Reuse};
use isolab_frontend::Config;
use serde_json::Value;

use crate::support::scripted::{self, Script, count};
use crate::support::{Answer, Running, config, library};

fn controlled(reuse: Reuse) -> Config {
    Config { control: true, workers: 8, ..config(reuse) }
}

async fn phases(server: &Running) -> Vec<Value> {
    let text = server.get("/-/phases").await.text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn put(server: &Running, function: &str, body: &str) -> Answer {
    server.send(Method::PUT, &format!("/-/instances/{function}"), body).await
}

#[tokio::test]
async fn a_server_without_control_has_no_pages_for_experiments() {
    let server = Running::direct(config(Reuse::Warm));
    server.get("/-/phases").await.problem(404, "unknown-page");
    put(&server, "hello", r#"{"live":1}"#).await.problem(404, "unknown-page");
    server.stop().await;
}

#[tokio::test]
async fn every_phase_is_listed_once_with_the_duration_of_the_response() {
    let (library, _folder) = library(&["a"]);
    let script = Arc::new(Script::default());
    let server = Running::start(controlled(Reuse::Fresh), vec![scripted::executor(&script)], library);
    let answer = server.get("/a").await;
    server.get("/a?fail=trapped").await.problem(502, "trapped");
    server.until_metric("isolab_instances_live{executor=\"scripted\",function=\"a\"}", 0).await;

    let lines = phases(&server).await;
    let names: Vec<_> = lines.iter().map(|line| line["phase"].as_str().unwrap()).collect();
    assert_eq!(names, ["prepare", "start", "invoke", "stop", "start", "invoke", "stop"]);
    for line in &lines {
        assert_eq!(
            (&line["executor"], &line["function"], &line["variant"]),
            (&"scripted".into(), &"a".into(), &"rust".into())
        );
    }
    assert_eq!((&lines[0]["cached"], &lines[0]["instance"]), (&false.into(), &Value::Null));
    for (line, (phase, duration)) in lines.iter().zip(answer.phases()) {
        assert_eq!(line["phase"], phase);
        assert_eq!(line["duration_ns"], duration.as_nanos() as u64);
    }
    let (id, uses) = answer.instance();
    assert_eq!((&lines[2]["instance"], &lines[2]["uses"]), (&id.into(), &uses.into()));
    assert_eq!((&lines[1]["instance"], &lines[1]["uses"]), (&id.into(), &0.into()));
    let lap = &lines[1]["laps"][0];
    assert!(lap[0] == "gate" && lap[1].as_u64() <= lines[1]["duration_ns"].as_u64(), "{}", lines[1]);
    assert_eq!(lines[5]["failed"], "trapped");
    let begun: Vec<_> = lines.iter().map(|line| line["begun_ns"].as_u64().unwrap()).collect();
    assert!(begun.is_sorted(), "{begun:?}");

    assert!(phases(&server).await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn phases_beyond_the_capacity_of_the_record_are_counted_as_lost() {
    let server = Running::direct(controlled(Reuse::Warm));
    put(&server, "hello", r#"{"live":1,"rounds":131076}"#).await;
    let answer = server.get("/-/phases").await;
    // The server has run one `prepare` and 131,076 invocations.
    assert_eq!((answer.text().lines().count(), answer.header("x-isolab-lost")), (131_072, Some("5")));
    assert_eq!(server.get("/-/phases").await.header("x-isolab-lost"), Some("0"));
    server.stop().await;
}

#[tokio::test]
async fn idle_instances_are_brought_to_a_number_under_any_reuse_policy() {
    for reuse in [Reuse::Fresh, Reuse::Warm, Reuse::Times(2)] {
        let (library, _folder) = library(&["a"]);
        let script = Arc::new(Script::default());
        let server = Running::start(controlled(reuse), vec![scripted::executor(&script)], library);
        for live in [3, 5, 1, 0, 2] {
            let instances = put(&server, "a", &format!("{{\"live\":{live}}}")).await.json();
            assert_eq!((instances["live"].as_u64(), script.live()), (Some(live), live as usize));
            assert_eq!(instances["model_bytes"].as_array().unwrap().len(), live as usize);
            let outside = serde_json::json!({"cgroups": ["/sys/fs/cgroup/x"], "around": ["/sys/fs/cgroup"], "helpers": [7]});
            assert_eq!(instances["outside"], Value::from(vec![outside; live as usize]));
        }
        assert_eq!(count(&script.prepared), 1);
        // A fresh request never gets one of them.
        let uses = server.get("/a").await.phase_names();
        assert_eq!(uses.contains(&"start".to_owned()), reuse == Reuse::Fresh);
        server.stop().await;
        assert_eq!((script.live(), count(&script.leaked)), (0, 0));
    }
}

#[tokio::test]
async fn new_instances_are_invoked_with_the_load_case() {
    let server = Running::direct(controlled(Reuse::Warm));
    let instances = put(&server, "hello", r#"{"live":2,"invocations":3}"#).await.json();
    assert_eq!(
        (&instances["live"], &instances["model_bytes"]),
        (&2.into(), &serde_json::json!([null, null]))
    );
    assert_eq!(server.get("/hello").await.instance().1, 4);
    let invoked = async || phases(&server).await.iter().filter(|line| line["phase"] == "invoke").count();
    assert_eq!(invoked().await, 1, "phases of instances that are started for their memory are not recorded");
    let instances = put(&server, "hello", r#"{"live":3,"rounds":2}"#).await.json();
    assert_eq!((&instances["live"], invoked().await), (&3.into(), 3 * 2));
    let without_cases = put(&server, "echo", r#"{"live":1,"invocations":1}"#).await.json();
    assert_eq!(without_cases["live"], 1, "a function without cases is asked for `GET /`");
    server.stop().await;
}

#[tokio::test]
async fn requests_that_cannot_be_met_are_refused() {
    let mut config = controlled(Reuse::Warm);
    config.bounds.instances = 2;
    let (server, script) = Running::scripted(config);
    for body in ["", "{}", r#"{"live":-1}"#, r#"{"live":1,"more":1}"#, "null"] {
        put(&server, "a", body).await.problem(400, "bad-request");
    }
    put(&server, "nothing", r#"{"live":1}"#).await.problem(404, "unknown-function");
    put(&server, "a", r#"{"live":3}"#).await.problem(503, "over-capacity");
    assert_eq!(put(&server, "a", r#"{"live":0}"#).await.status, 200);
    script.fail(Phase::Start, Cause::Unavailable("on purpose".into()));
    put(&server, "a", r#"{"live":1}"#).await.problem(503, "unavailable");
    let refused = server.get("/-/instances/a").await;
    refused.problem(405, "method-not-allowed");
    assert_eq!(refused.header("allow"), Some("PUT"));
    server.stop().await;
}

#[tokio::test]
async fn a_control_client_that_sends_garbage_gets_errors_and_harms_nothing() {
    let server = Running::direct(controlled(Reuse::Warm));
    let nested = "[".repeat(10_000);
    for body in [
        "\0",
        "{\"live\":1",
        "{\"live\":1}}",
        "{\"live\":1.5}",
        "{\"live\":1e400}",
        "{\"live\":\"1\"}",
        "{\"live\":18446744073709551616}",
        "{\"live\":1,\"live\":2}",
        nested.as_str(),
    ] {
        put(&server, "hello", body).await.problem(400, "bad-request");
    }
    for function in ["", "%ff", "..%2Fhello", "%00"] {
        put(&server, function, r#"{"live":1}"#).await.problem(404, "unknown-function");
    }
    put(&server, "hello/a", r#"{"live":1}"#).await.problem(404, "unknown-page");
    for page in ["phases/", "instances", "instances/hello/../x", "%70hases"] {
        let answer = server.send(Method::DELETE, &format!("/-/{page}"), "x").await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{page}: {answer:?}");
    }
    // More than any server has: refused before one instance is started.
    put(&server, "hello", r#"{"live":18446744073709551615}"#).await.problem(503, "over-capacity");
    assert_eq!(put(&server, "hello", r#"{"live":0}"#).await.json()["live"], 0);
    server.stop().await;
}

#[tokio::test]
async fn endless_rounds_end_with_their_client_and_do_not_starve_other_connections() {
    let server = Running::direct(controlled(Reuse::Warm));
    for body in
        [r#"{"live":1,"rounds":18446744073709551615}"#, r#"{"live":2,"invocations":18446744073709551615}"#]
    {
        let mut endless = server.client().await;
        let request = http::Request::put("/-/instances/hello").body(body.to_owned()).unwrap();
        tokio::select! {
            answer = endless.send(request) => panic!("it ends: {answer:?}"),
            health = async {
                server.until_metric("isolab_connections", 2).await;
                server.get("/-/healthz").await
            } => assert_eq!(health.status, 200),
        }
        drop(endless);
        server.until_metric("isolab_connections", 1).await;
        phases(&server).await;
        server.get("/hello").await;
        assert!(!phases(&server).await.is_empty(), "the record goes on after its client has left");
    }
    server.stop().await;
}
