//! The pages below `/-/`.

use http::Method;
use isolab_core::Reuse;

use crate::support::{Running, config};

#[tokio::test]
async fn the_server_says_that_it_is_alive_and_lists_functions_and_executors() {
    let server = Running::direct(config(Reuse::Warm));
    let health = server.get("/-/healthz").await;
    assert_eq!((health.status.as_u16(), health.text().as_str()), (200, "ok\n"));

    let functions = server.get("/-/functions").await.json();
    let hello = functions.as_array().unwrap().iter().find(|function| function["name"] == "hello").unwrap();
    assert_eq!(hello["variants"], serde_json::json!(["rust", "js"]));
    assert_eq!(hello["limits"]["deadline_ms"], 10_000);
    assert_eq!(hello["limits"]["memory_bytes"], 128 << 20);
    assert!(hello["cases"].as_u64().unwrap() > 10);
    let echo = functions.as_array().unwrap().iter().find(|function| function["name"] == "echo").unwrap();
    assert_eq!((&echo["limits"]["response_bytes"], &echo["cases"]), (&1_000.into(), &0.into()));
    server.stop().await;

    let (server, _) = Running::scripted(config(Reuse::Warm));
    let executors = server.get("/-/executors").await.json();
    let expected = serde_json::json!([{
        "spec": "scripted",
        "settings": "scripted:level=0,mode=calm",
        "versions": {"script": "1"},
        "cells": [{"function": "a", "variant": "rust"}, {"function": "b", "variant": "rust"}],
    }]);
    assert_eq!(executors, expected);
    server.stop().await;
}

#[tokio::test]
async fn pages_take_only_get_and_head() {
    let server = Running::direct(config(Reuse::Warm));
    for page in ["healthz", "functions", "executors", "metrics", "problems"] {
        let target = format!("/-/{page}");
        let (get, head) = (server.get(&target).await, server.send(Method::HEAD, &target, "").await);
        assert_eq!((get.status.as_u16(), head.status.as_u16(), head.body.len()), (200, 200, 0));
        let refused = server.send(Method::POST, &target, "x").await;
        refused.problem(405, "method-not-allowed");
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
    for page in ["/-/", "/-/nothing", "/-/healthz/", "/-/problems/nothing"] {
        server.get(page).await.problem(404, "unknown-page");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_problem_has_a_page_at_its_type() {
    let server = Running::direct(config(Reuse::Warm));
    let details = server.get("/nothing").await.problem(404, "unknown-function");
    let page = server.get(details["type"].as_str().unwrap()).await;
    assert!(page.text().starts_with("Unknown function (404 Not Found)"), "{}", page.text());
    let table = server.get("/-/problems").await.text();
    assert!(table.contains("507 out-of-memory: ") && table.contains("404 unknown-function: "), "{table}");
    server.stop().await;
}

#[tokio::test]
async fn metrics_count_responses_phases_and_instances() {
    let server = Running::direct(config(Reuse::Times(2)));
    let mut client = server.client().await;
    for _ in 0..5 {
        client.get("/hello").await;
    }
    client.get("/panic").await;
    client.get("/nothing").await;
    let text = client.get("/-/metrics").await;
    assert_eq!(
        text.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = text.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("not a sample: {line}"));
        assert!(series.starts_with("isolab_") && value.parse::<f64>().is_ok(), "{line}");
    }
    let hello = "executor=\"direct\",function=\"hello\"";
    for (series, expected) in [
        (format!("isolab_responses_total{{{hello},status=\"200\"}}"), "5"),
        ("isolab_responses_total{executor=\"direct\",function=\"panic\",status=\"502\"}".into(), "1"),
        ("isolab_responses_total{executor=\"\",function=\"\",status=\"404\"}".into(), "1"),
        (format!("isolab_phase_seconds_count{{{hello},phase=\"prepare\"}}"), "1"),
        (format!("isolab_phase_seconds_count{{{hello},phase=\"start\"}}"), "3"),
        (format!("isolab_phase_seconds_count{{{hello},phase=\"invoke\"}}"), "5"),
        (format!("isolab_phase_seconds_bucket{{le=\"+Inf\",{hello},phase=\"stop\"}}"), "2"),
        (format!("isolab_instances_live{{{hello}}}"), "1"),
        (format!("isolab_instances_idle{{{hello}}}"), "1"),
        ("isolab_queue_length{executor=\"direct\"}".into(), "0"),
        ("isolab_connections".into(), "1"),
    ] {
        let line = format!("{series} {expected}");
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
    server.stop().await;
}
