//! Which instance answers a request, and what happens to the instance afterwards.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use isolab_core::{Cause, Phase, Reuse};
use isolab_frontend::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::scripted::{Script, count};
use crate::support::{Running, config, until};

const LIVE: &str = "isolab_instances_live{executor=\"scripted\",function=\"a\"}";
const IDLE: &str = "isolab_instances_idle{executor=\"scripted\",function=\"a\"}";
const QUEUE: &str = "isolab_queue_length{executor=\"scripted\"}";

/// A scripted server with places for this many instances.
fn with_places(instances: usize, reuse: Reuse) -> (Running, Arc<Script>) {
    let mut config = config(reuse);
    config.bounds.instances = instances;
    Running::scripted(config)
}

async fn instances_of(server: &Running, requests: usize) -> Vec<(u64, u64)> {
    let mut client = server.client().await;
    let mut instances = Vec::new();
    for _ in 0..requests {
        instances.push(client.get("/a").await.instance());
    }
    instances
}

#[tokio::test]
async fn a_fresh_instance_answers_once_and_is_stopped() {
    let (server, script) = Running::scripted(config(Reuse::Fresh));
    let instances = instances_of(&server, 5).await;
    let ids: HashSet<_> = instances.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 5);
    assert!(instances.iter().all(|(_, uses)| *uses == 1));
    server.until_metric(LIVE, 0).await;
    assert_eq!((count(&script.started), count(&script.stopped)), (5, 5));
    server.stop().await;
}

#[tokio::test]
async fn a_warm_instance_answers_all_requests() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    let instances = instances_of(&server, 5).await;
    assert_eq!(instances.iter().map(|(_, uses)| *uses).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(instances.iter().all(|(id, _)| *id == instances[0].0));
    assert_eq!((server.metric(LIVE).await, server.metric(IDLE).await), (1, 1));
    server.stop().await;
    assert_eq!((count(&script.stopped), count(&script.closed)), (1, 1));
}

#[tokio::test]
async fn an_instance_with_reuse_3_answers_three_times() {
    let (server, script) = Running::scripted(config(Reuse::Times(3)));
    let instances = instances_of(&server, 7).await;
    assert_eq!(instances.iter().map(|(_, uses)| *uses).collect::<Vec<_>>(), [1, 2, 3, 1, 2, 3, 1]);
    server.until_metric(LIVE, 1).await;
    assert_eq!((count(&script.started), count(&script.stopped)), (3, 2));
    server.stop().await;
}

#[tokio::test]
async fn the_instance_used_last_is_used_next() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    let (mut first, mut second) = (server.client().await, server.client().await);
    let waiting = async {
        until("one request runs", || count(&script.waiting) == 1).await;
        let inner = second.get("/a").await.instance();
        script.invoke_gate.add_permits(1);
        inner
    };
    let (outer, inner) = tokio::join!(first.get("/a?wait"), waiting);
    assert_ne!(outer.instance().0, inner.0);
    assert_eq!(second.get("/a").await.instance(), (outer.instance().0, 2));
    server.stop().await;
}

#[tokio::test]
async fn a_full_queue_is_503_at_once() {
    let mut config = config(Reuse::Warm);
    (config.bounds.instances, config.bounds.queue) = (1, 1);
    let (server, script) = Running::scripted(config);
    let (mut running, mut queued) = (server.client().await, server.client().await);
    // Once the first request runs: a request that waits for its function to be prepared
    // is in a queue, too.
    let queued = async {
        until("one request runs", || count(&script.waiting) == 1).await;
        queued.get("/a?wait").await
    };
    let third = async {
        server.until_metric(QUEUE, 1).await;
        let answer = server.get("/a").await;
        script.invoke_gate.add_permits(2);
        answer
    };
    let (running, queued, third) = tokio::join!(running.get("/a?wait"), queued, third);
    let mut uses = [running.instance().1, queued.instance().1];
    uses.sort_unstable();
    assert_eq!(uses, [1, 2], "{running:?} {queued:?}");
    third.problem(503, "over-capacity");
    assert_eq!(third.header("retry-after"), Some("1"));
    assert_eq!(server.metric(QUEUE).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn waiting_too_long_is_503() {
    let mut config = config(Reuse::Fresh);
    (config.bounds.instances, config.bounds.queue_wait) = (1, Duration::from_millis(20));
    let (server, script) = Running::scripted(config);
    let mut running = server.client().await;
    let late = async {
        until("one request runs", || count(&script.waiting) == 1).await;
        let answer = server.get("/a").await;
        script.invoke_gate.add_permits(1);
        answer
    };
    let (running, late) = tokio::join!(running.get("/a?wait"), late);
    assert_eq!(running.status, 200);
    let details = late.problem(503, "over-capacity");
    assert_eq!(details["phase"], "start");
    server.stop().await;
}

#[tokio::test]
async fn waiting_requests_are_served_when_an_instance_becomes_free() {
    for reuse in [Reuse::Fresh, Reuse::Warm, Reuse::Times(2)] {
        let (server, script) = with_places(2, reuse);
        let requests: Vec<_> = (0..20)
            .map(|_| {
                let client = server.client();
                async move { client.await.get("/a?wait").await }
            })
            .collect();
        let release = async {
            until("two requests run", || count(&script.waiting) == 2).await;
            server.until_metric(QUEUE, 18).await;
            assert_eq!(count(&script.waiting), 2);
            script.invoke_gate.add_permits(20);
        };
        let (answers, ()) = tokio::join!(futures_util::future::join_all(requests), release);
        assert!(answers.iter().all(|answer| answer.status == 200), "{reuse}");
        server.stop().await;
        assert_eq!((script.live(), count(&script.leaked)), (0, 0), "{reuse}");
    }
}

/// A start may take seconds, and a request need not wait for its own if another instance is free before.
#[tokio::test]
async fn a_request_takes_an_instance_that_is_given_back_before_its_own_has_started() {
    for concurrency in [1, 2] {
        let (server, script) = with_places(2, Reuse::Warm);
        script.concurrency.store(concurrency, Ordering::SeqCst);
        script.close_start_gate();
        script.start_gate.add_permits(1);
        // The first instance is full.
        let full = (0..concurrency).map(|_| async { server.get("/a?wait").await });
        let late = async {
            until("the instance is full", || count(&script.waiting) == concurrency).await;
            server.get("/a").await
        };
        let release = async {
            until("the second instance starts", || count(&script.starting) == 2).await;
            script.invoke_gate.add_permits(1);
        };
        let late = async {
            let late = late.await;
            script.invoke_gate.add_permits(concurrency);
            late
        };
        let (full, late, ()) = tokio::join!(join_all(full), late, release);
        assert!(late.status == 200 && late.instance().0 == full[0].instance().0, "{concurrency}");
        // The second instance is there for later requests.
        script.start_gate.add_permits(1);
        server.until_metric(IDLE, 2).await;
        server.stop().await;
        assert_eq!((script.live(), count(&script.leaked)), (0, 0), "{concurrency}");
    }
}

/// Each request of a slow spell would start an instance of its own otherwise.
#[tokio::test]
async fn a_start_that_its_request_no_longer_needs_serves_the_next_request() {
    for reuse in [Reuse::Warm, Reuse::Times(9)] {
        let (server, script) = with_places(9, reuse);
        script.close_start_gate();
        script.start_gate.add_permits(1);
        let first = server.get("/a?wait");
        // Begins the second start, and takes the first instance, which is given back before.
        let second = async {
            until("the instance is in use", || count(&script.waiting) == 1).await;
            server.get("/a?wait").await
        };
        let third = async {
            until("the second request runs", || count(&script.waiting) == 2).await;
            server.get("/a").await
        };
        let release = async {
            until("the second instance starts", || count(&script.starting) == 2).await;
            script.invoke_gate.add_permits(1);
            until("the second request runs", || count(&script.waiting) == 2).await;
            // The third request arrives in the meantime.
            for _ in 0..10 {
                server.metric(LIVE).await;
            }
            script.start_gate.add_permits(1);
        };
        let third = async {
            let third = third.await;
            script.invoke_gate.add_permits(1);
            third
        };
        let (first, second, third, ()) = tokio::join!(first, second, third, release);
        let ids = [&first, &second, &third].map(|answer| answer.instance().0);
        assert!(ids[0] == ids[1] && ids[1] != ids[2], "{reuse}: {ids:?}");
        server.until_metric(IDLE, 2).await;
        assert_eq!(count(&script.starting), 2, "{reuse}");
        server.stop().await;
        assert_eq!((script.live(), count(&script.leaked)), (0, 0), "{reuse}");
    }
}

#[tokio::test]
async fn an_idle_instance_gives_its_place_to_another_function() {
    let (server, script) = with_places(1, Reuse::Warm);
    for target in ["/a", "/b", "/a", "/b"] {
        let answer = server.get(target).await;
        assert_eq!((answer.status.as_u16(), answer.instance().1), (200, 1));
    }
    assert_eq!((count(&script.started), script.live()), (4, 1));
    server.stop().await;
}

#[tokio::test]
async fn an_idle_instance_gives_its_place_to_another_worker() {
    let mut config = Config { workers: 2, ..config(Reuse::Warm) };
    config.bounds.instances = 1;
    let (server, script) = Running::scripted(config);
    let (mut first, mut second) = (server.client().await, server.client().await);
    for _ in 0..3 {
        for client in [&mut first, &mut second] {
            assert_eq!(client.get("/a").await.instance().1, 1);
        }
    }
    assert_eq!((count(&script.started), script.live()), (6, 1));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_its_request_runs_leaves_nothing_behind() {
    let (server, script) = with_places(1, Reuse::Warm);
    let mut client = server.client().await;
    tokio::select! {
        _ = client.get("/a?wait") => panic!("the gate is closed"),
        () = until("the request runs", || count(&script.waiting) == 1) => {}
    }
    drop(client);
    server.until_metric(LIVE, 0).await;
    assert_eq!((count(&script.stopped), count(&script.leaked)), (1, 0));
    assert_eq!(server.get("/a").await.instance().1, 1);
    server.stop().await;
}

/// Such as `nc -N`. TCP does not tell it from a client that has left.
#[tokio::test]
async fn a_client_that_closes_its_sending_side_is_answered_for_a_while() {
    let (server, script) = with_places(1, Reuse::Warm);
    let half_closed = async |path: &str| {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        client
    };
    let read = async |mut client: TcpStream| {
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    for round in 1..=3 {
        let client = half_closed("/a?wait").await;
        until("the request runs", || count(&script.waiting) == round).await;
        script.invoke_gate.add_permits(1);
        let answer = read(client).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    }
    // The gate stays closed, and the client is taken for one that has left.
    let client = half_closed("/a?wait").await;
    assert_eq!(read(client).await, "");
    server.until_metric(LIVE, 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_gives_up_its_place_in_it() {
    let (server, script) = with_places(1, Reuse::Warm);
    let (mut running, mut queued) = (server.client().await, server.client().await);
    let others = async {
        until("one request runs", || count(&script.waiting) == 1).await;
        tokio::select! {
            _ = queued.get("/a") => panic!("the only place is in use"),
            () = server.until_metric(QUEUE, 1) => {}
        }
        drop(queued);
        server.until_metric(QUEUE, 0).await;
        script.invoke_gate.add_permits(1);
    };
    let (running, ()) = tokio::join!(running.get("/a?wait"), others);
    assert_eq!(running.status, 200);
    assert_eq!(server.get("/a").await.instance(), (running.instance().0, 2));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_its_instance_starts_leaves_the_instance() {
    for (reuse, started) in [(Reuse::Warm, 1), (Reuse::Fresh, 2)] {
        let (server, script) = with_places(1, reuse);
        script.close_start_gate();
        let mut client = server.client().await;
        tokio::select! {
            _ = client.get("/a") => panic!("the gate is closed"),
            () = until("the instance starts", || count(&script.starting) == 1) => {}
        }
        drop(client);
        server.until_metric("isolab_connections", 1).await;
        script.start_gate.add_permits(2);
        // Under `warm` the unused instance answers. Under `fresh` it is stopped: the response
        // of another request could not say what its start cost.
        assert_eq!(server.get("/a").await.instance().1, 1);
        server.stop().await;
        assert_eq!((count(&script.started), script.live()), (started, 0), "{reuse}");
        assert_eq!(count(&script.leaked), 0, "{reuse}");
    }
}

#[tokio::test]
async fn an_instance_that_failed_is_stopped() {
    let (server, script) = Running::scripted(config(Reuse::Warm));
    let mut client = server.client().await;
    let first = client.get("/a").await.instance();
    let failed = client.get("/a?fail=trapped").await;
    assert_eq!(failed.instance(), (first.0, 2));
    let next = client.get("/a").await.instance();
    assert!(next.0 != first.0 && next.1 == 1);
    assert_eq!(count(&script.stopped), 1);
    server.stop().await;
}

/// A scripted server with one place for an instance, which answers `concurrency` requests at the same
/// time.
fn with_room(concurrency: usize) -> (Running, Arc<Script>) {
    let (server, script) = with_places(1, Reuse::Warm);
    script.concurrency.store(concurrency, Ordering::SeqCst);
    (server, script)
}

#[tokio::test]
async fn an_instance_answers_as_many_requests_at_the_same_time_as_it_can() {
    let (server, script) = with_room(3);
    let requests = (0..5).map(|_| async { server.client().await.get("/a?wait").await.instance() });
    let release = async {
        until("three requests run", || count(&script.waiting) == 3).await;
        server.until_metric(QUEUE, 2).await;
        script.invoke_gate.add_permits(5);
    };
    let (instances, ()) = tokio::join!(join_all(requests), release);
    let ids: HashSet<_> = instances.iter().map(|(id, _)| *id).collect();
    let uses: HashSet<_> = instances.iter().map(|(_, uses)| *uses).collect();
    assert_eq!((ids.len(), uses), (1, (1..=5).collect()));
    assert_eq!((server.metric(LIVE).await, server.metric(IDLE).await), (1, 1));
    server.stop().await;
    assert_eq!((count(&script.started), count(&script.stopped)), (1, 1));
}

#[tokio::test]
async fn many_requests_at_once_share_the_instances_that_are_being_started() {
    let (server, script) = with_places(100, Reuse::Warm);
    script.concurrency.store(10, Ordering::SeqCst);
    script.close_start_gate();
    let requests = (0..20).map(|_| async { server.get("/a?wait").await.instance().0 });
    let release = async {
        until("instances are being started", || count(&script.starting) == 2).await;
        script.start_gate.add_permits(100);
        until("all requests run", || count(&script.waiting) == 20).await;
        script.invoke_gate.add_permits(20);
    };
    let (ids, ()) = tokio::join!(join_all(requests), release);
    assert_eq!(ids.into_iter().collect::<HashSet<_>>().len(), 2);
    server.stop().await;
    assert_eq!((count(&script.started), count(&script.stopped)), (2, 2));
}

#[tokio::test]
async fn a_start_that_fails_does_not_hold_up_the_requests_that_wait_for_it() {
    let (server, script) = with_places(100, Reuse::Warm);
    script.concurrency.store(10, Ordering::SeqCst);
    script.close_start_gate();
    script.fail(Phase::Start, Cause::Unavailable("on purpose".into()));
    let requests = (0..5).map(|_| server.get("/a"));
    let release = async {
        until("an instance is being started", || count(&script.starting) == 1).await;
        script.start_gate.add_permits(100);
    };
    let (answers, ()) = tokio::join!(join_all(requests), release);
    assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_request_that_failed_alone_leaves_its_instance() {
    for concurrency in [1, 2] {
        let (server, script) = with_room(concurrency);
        let mut client = server.client().await;
        let first = client.get("/a").await.instance();
        client.get("/a?fail=threw").await.problem(500, "threw");
        assert_eq!(client.get("/a").await.instance(), (first.0, 3));
        server.stop().await;
        assert_eq!(count(&script.started), 1);
    }
}

#[tokio::test]
async fn a_dead_instance_gets_no_request_and_is_stopped_after_its_last_one() {
    let (server, script) = with_places(2, Reuse::Warm);
    script.concurrency.store(2, Ordering::SeqCst);
    let mut waiting = server.client().await;
    let others = async {
        until("one request runs", || count(&script.waiting) == 1).await;
        let dead = server.get("/a?fail=trapped").await;
        dead.problem(502, "trapped");
        assert_eq!(dead.instance().1, 2);
        let next = server.get("/a").await.instance();
        assert_ne!(next.0, dead.instance().0);
        assert_eq!(count(&script.stopped), 0);
        script.invoke_gate.add_permits(1);
    };
    let (waited, ()) = tokio::join!(waiting.get("/a?wait"), others);
    assert_eq!((waited.status.as_u16(), waited.instance().1), (200, 1));
    until("the dead instance is stopped", || count(&script.stopped) == 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_only_its_request_where_an_instance_has_room() {
    let (server, script) = with_room(2);
    let mut leaving = server.client().await;
    tokio::select! {
        _ = leaving.get("/a?wait") => panic!("the gate is closed"),
        () = until("one request runs", || count(&script.waiting) == 1) => {}
    }
    drop(leaving);
    server.until_metric(IDLE, 1).await;
    assert_eq!(server.get("/a").await.instance().1, 2);
    server.stop().await;
    assert_eq!((count(&script.started), count(&script.stopped)), (1, 1));
}
