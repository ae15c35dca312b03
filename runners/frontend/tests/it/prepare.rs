//! A function is prepared once, for any number of requests.

use std::time::Duration;

use isolab_core::{Cause, Phase, Reuse};
use isolab_frontend::Config;

use crate::support::scripted::count;
use crate::support::{Running, config, until};

fn waits(config: &Config) -> Config {
    Config { workers: 2, ..config.clone() }
}

#[tokio::test]
async fn concurrent_requests_prepare_once_and_one_response_includes_the_time() {
    let (server, script) = Running::scripted(waits(&config(Reuse::Warm)));
    script.prepare_gate.forget_permits(1_000);
    let requests: Vec<_> = (0..10)
        .map(|_| {
            let client = server.client();
            async move { client.await.get("/a").await }
        })
        .collect();
    let queue = "isolab_queue_length{executor=\"scripted\"}";
    let release = async {
        server.until_metric(queue, 9).await;
        script.prepare_gate.add_permits(1);
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(requests), release);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let paid = answers.iter().filter(|answer| answer.phase_names().contains(&"prepare".to_owned())).count();
    assert_eq!((paid, count(&script.prepared)), (1, 1));
    assert_eq!(server.metric(queue).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_failure_is_answered_and_the_next_request_tries_again() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    script.fail(Phase::Prepare, Cause::Artifact("no compiler".into()));
    for prepared in 1..=2 {
        let details = server.get("/a").await.problem(500, "artifact");
        assert_eq!(details["phase"], "prepare");
        assert_eq!(count(&script.prepared), prepared);
    }
    script.recover();
    assert_eq!(server.get("/a").await.phase_names(), ["prepare", "start", "invoke"]);
    assert_eq!(count(&script.prepared), 3);
    server.stop().await;
}

/// Builds would otherwise follow each other for as long as somebody asks.
#[tokio::test]
async fn a_failure_that_took_long_is_answered_again_without_another_try() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    script.fail(Phase::Prepare, Cause::Artifact("no compiler".into()));
    script.prepare_gate.forget_permits(1_000);
    let (mut first, took) = (server.client().await, Duration::from_millis(500));
    let release = async {
        until("the function is being prepared", || count(&script.prepared) == 1).await;
        tokio::time::sleep(took).await;
        script.prepare_gate.add_permits(1_000);
    };
    let (failed, ()) = tokio::join!(first.get("/a"), release);
    failed.problem(500, "artifact");
    script.recover();
    let details = server.get("/a").await.problem(500, "artifact");
    assert!(details["detail"].as_str().unwrap().contains("tries again"), "{details}");
    assert_eq!(count(&script.prepared), 1);
    let begun = std::time::Instant::now();
    while server.get("/a").await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not tried again");
        tokio::task::yield_now().await;
    }
    assert_eq!(count(&script.prepared), 2);
    server.stop().await;
}

#[tokio::test]
async fn preparing_goes_on_when_the_client_that_began_it_is_gone() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    script.prepare_gate.forget_permits(1_000);
    let mut client = server.client().await;
    tokio::select! {
        _ = client.get("/a") => panic!("the gate is closed"),
        () = until("the function is being prepared", || count(&script.prepared) == 1) => {}
    }
    drop(client);
    script.prepare_gate.add_permits(1);
    let answer = server.get("/a").await;
    assert_eq!((answer.status.as_u16(), count(&script.prepared)), (200, 1));
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_waits_too_long_for_a_preparation_is_refused() {
    let mut config = config(Reuse::Warm);
    config.bounds.queue_wait = Duration::from_millis(20);
    let (server, script) = Running::scripted(config);
    script.prepare_gate.forget_permits(1_000);
    let (mut first, mut second) = (server.client().await, server.client().await);
    let others = async {
        until("the function is being prepared", || count(&script.prepared) == 1).await;
        let details = second.get("/a").await.problem(503, "over-capacity");
        assert_eq!(details["phase"], "prepare");
        script.prepare_gate.add_permits(1);
    };
    let (paid, ()) = tokio::join!(first.get("/a"), others);
    assert_eq!(paid.phase_names(), ["prepare", "start", "invoke"]);
    server.stop().await;
}
