//! Functions that hold their thread, and their neighbours.

use std::sync::Arc;

use futures_util::future::join_all;
use isolab_core::Reuse;
use isolab_frontend::Config;

use crate::support::scripted::{Call, Script, count};
use crate::support::{Answer, Client, Running, config, until};

const LIVE: &str = "isolab_instances_live{executor=\"scripted\",function=\"a\"}";
const SLOW: &str = "isolab_slow_functions{executor=\"scripted\"}";
const THREADS: &str = "isolab_threads{role=\"compute\"}";

/// The invocations with which a new function proves that it is quick.
const PROOF: u64 = 8;

fn computing(compute_threads: usize) -> Config {
    Config { compute_threads, ..config(Reuse::Warm) }
}

/// A scripted server with this number of compute threads.
fn server(compute_threads: usize) -> (Running, Arc<Script>) {
    Running::scripted(computing(compute_threads))
}

async fn gets(client: &mut Client, target: &str, requests: u64) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..requests {
        answers.push(client.get(target).await);
    }
    answers
}

/// The policy of each thread of this process with such a name, in the numbers of `sched_setscheduler(2)`.
fn policies(name: &str) -> Vec<i32> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap());
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    // Field 41 of proc_pid_stat(5); the name in brackets is the second.
    stats
        .filter_map(|stat| {
            let (head, tail) = stat.rsplit_once(") ")?;
            head.split_once('(')?.1.starts_with(name).then(|| tail.split(' ').nth(38)?.parse().ok())?
        })
        .collect()
}

#[tokio::test]
async fn compute_threads_leave_their_processor_to_workers() {
    let (server, _script) = server(2);
    assert_eq!(server.get("/a").await.status, 200);
    let (compute, workers) = (policies("compute-"), policies("worker-"));
    assert!(
        !compute.is_empty() && compute.iter().all(|policy| *policy == nix::libc::SCHED_IDLE),
        "{compute:?}"
    );
    assert!(
        !workers.is_empty() && workers.iter().all(|policy| *policy == nix::libc::SCHED_OTHER),
        "{workers:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_function_that_computes_on_every_thread_that_it_gets_leaves_all_others_alone() {
    let (server, script) = Running::scripted(Config { workers: 2, ..computing(4) });
    let mut neighbours = Vec::new();
    for _ in 0..4 {
        neighbours.push(server.client().await);
    }
    for client in &mut neighbours {
        assert_eq!(client.get("/b").await.status, 200);
    }
    script.block_in(Call::Invoke, "a");
    let greedy = join_all((0..6).map(|_| server.get("/a")));
    let others = async {
        until("it holds half of the compute threads", || count(&script.blocked) == 2).await;
        for client in &mut neighbours {
            for target in ["/b", "/-/healthz", "/b?fail=threw", "/b"] {
                let expected = if target.ends_with("threw") { 500 } else { 200 };
                assert_eq!(client.get(target).await.status, expected, "{target}");
            }
        }
        assert_eq!(count(&script.blocked), 2, "the computing function still waits to be released");
        script.release();
    };
    let (answers, ()) = tokio::join!(greedy, others);
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    server.stop().await;
    assert_eq!((script.live(), count(&script.leaked)), (0, 0));
}

#[tokio::test]
async fn a_new_function_proves_itself_on_a_compute_thread_and_then_runs_beside_its_connection() {
    let (server, script) = server(4);
    let mut client = server.client().await;
    let proof = gets(&mut client, "/a", PROOF - 1).await;
    assert_eq!((server.metric(SLOW).await, server.metric(THREADS).await), (1, 1));
    let last = client.get("/a").await;
    assert_eq!(server.metric(SLOW).await, 0);
    let ids: Vec<_> = proof.iter().chain([&last]).map(Answer::instance).collect();
    assert!(
        ids.iter().zip(1..).all(|((id, uses), expected)| (*id, *uses) == (ids[0].0, expected)),
        "{ids:?}"
    );

    let quick = client.get("/a").await;
    assert_ne!(quick.instance().0, ids[0].0, "an instance stays on its thread");
    assert_eq!(client.get("/a").await.instance(), (quick.instance().0, 2));
    server.until_metric(LIVE, 1).await;
    assert_eq!(count(&script.stopped), 1, "the compute thread needs its instance no longer");
    server.stop().await;
}

#[tokio::test]
async fn a_function_that_runs_elsewhere_needs_no_proof() {
    let (server, script) = Running::scripted_with(computing(2), &["elsewhere"]);
    let mut client = server.client().await;
    let answers = gets(&mut client, "/elsewhere", PROOF + 2).await;
    assert_eq!(answers.last().unwrap().instance(), (answers[0].instance().0, PROOF + 2));
    assert_eq!((server.metric(THREADS).await, server.metric(SLOW).await), (0, 0));
    server.stop().await;
    assert_eq!(count(&script.started), 1);
}

#[tokio::test]
async fn a_quick_function_that_turns_slow_stalls_its_connection_only() {
    let (server, script) = server(2);
    let (mut neighbour, mut guilty) = (server.client().await, server.client().await);
    gets(&mut neighbour, "/a", PROOF + 1).await;
    assert_eq!(guilty.get("/a").await.status, 200);
    assert_eq!(server.metric(SLOW).await, 0);
    script.block_in(Call::Invoke, "a");
    let others = async {
        until("its only worker is held", || count(&script.blocked) == 1).await;
        // The connection moves to another worker.
        assert_eq!(neighbour.get("/-/healthz").await.status, 200);
        server.until_metric(SLOW, 1).await;
        assert_eq!(neighbour.get("/b").await.status, 200);
        assert_eq!(count(&script.blocked), 1);
        script.release();
    };
    let (answer, ()) = tokio::join!(guilty.get("/a"), others);
    assert_eq!(answer.status, 200);
    // The worker that was held serves its connection again, and the function has to prove itself
    // for longer.
    gets(&mut guilty, "/a", 2 * PROOF - 1).await;
    assert_eq!(server.metric(SLOW).await, 2);
    gets(&mut neighbour, "/a", 1).await;
    gets(&mut neighbour, "/b", PROOF - 1).await;
    server.until_metric(SLOW, 0).await;
    server.stop().await;
    assert_eq!((script.live(), count(&script.leaked)), (0, 0));
}

#[tokio::test]
async fn requests_that_wait_share_a_compute_thread() {
    let (server, script) = server(1);
    let waiting = join_all((0..5).map(|_| server.get("/a?wait")));
    let release = async {
        until("all of them wait at the same time", || count(&script.waiting) == 5).await;
        assert_eq!(server.metric(THREADS).await, 1);
        script.invoke_gate.add_permits(5);
    };
    let (answers, ()) = tokio::join!(waiting, release);
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_queue_for_compute_threads_is_bounded_in_length_and_time() {
    let mut config = computing(1);
    (config.bounds.queue, config.bounds.queue_wait) = (1, std::time::Duration::from_millis(300));
    let (server, script) = Running::scripted(config);
    script.block(Call::Invoke);
    let mut first = server.client().await;
    let others = async {
        until("the only thread computes", || count(&script.blocked) == 1).await;
        let queued = server.get("/b");
        let third = async {
            server.until_metric("isolab_queue_length{executor=\"scripted\"}", 1).await;
            server.get("/a").await
        };
        let (queued, third) = tokio::join!(queued, third);
        for (answer, reason) in [(queued, "within 300ms"), (third, "queue is full")] {
            let details = answer.problem(503, "over-capacity");
            assert!(details["detail"].as_str().unwrap().contains(reason), "{details}");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        script.release();
    };
    let (first, ()) = tokio::join!(first.get("/a"), others);
    assert_eq!(first.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn places_are_free_again_after_clients_have_left() {
    let mut config = computing(1);
    config.bounds.instances = 1;
    let (server, script) = Running::scripted(config);
    let mut waits = server.client().await;
    tokio::select! {
        _ = waits.get("/a?wait") => panic!("the gate is closed"),
        () = until("the request waits", || count(&script.waiting) == 1) => {}
    }
    drop(waits);
    server.until_metric(LIVE, 0).await;

    script.block(Call::Invoke);
    let (mut computes, mut queued) = (server.client().await, server.client().await);
    tokio::select! {
        _ = computes.get("/a") => panic!("the function computes"),
        () = until("the request computes", || count(&script.blocked) == 1) => {}
    }
    tokio::select! {
        _ = queued.get("/b") => panic!("the only thread computes"),
        () = server.until_metric("isolab_queue_length{executor=\"scripted\"}", 1) => {}
    }
    drop((computes, queued));
    server.until_metric("isolab_queue_length{executor=\"scripted\"}", 0).await;
    script.release();
    // The only place and the only thread are free.
    assert_eq!(server.get("/b").await.status, 200);
    assert_eq!(server.get("/a").await.status, 200);
    server.stop().await;
    assert_eq!((script.live(), count(&script.leaked)), (0, 0));
}

#[tokio::test]
async fn a_panic_in_an_executor_ends_one_request_only() {
    let (server, script) = server(1);
    let mut client = server.client().await;
    client.get("/a?panic").await.problem(500, "internal");
    assert_eq!(client.get("/a").await.instance().1, 1);
    server.stop().await;
    assert_eq!((count(&script.started), count(&script.stopped)), (2, 2));
}

#[tokio::test]
async fn responses_errors_and_bills_are_those_of_a_worker() {
    let server = Running::direct(computing(2));
    let mut client = server.client().await;
    let first = client.get_billed("/names").await;
    assert!(first.text().contains("host") && !first.text().contains("bill"), "{first:?}");
    assert_eq!(first.phase_names(), ["prepare", "start", "invoke"]);
    assert!(first.billed("cpu_ns") > 0);
    let second = client.get("/names").await;
    assert_eq!((second.phase_names(), second.header("x-isolab-bill")), (vec!["invoke".to_owned()], None));
    assert_eq!((second.header("x-isolab-executor"), second.instance().1), (Some("direct"), 2));
    let details = client.get("/panic").await.problem(502, "trapped");
    assert_eq!((&details["function"], &details["phase"]), (&"panic".into(), &"invoke".into()));
    let frame = client.get("/frame").await;
    assert_eq!((frame.text().as_str(), frame.header("content-length")), ("four", Some("4")));
    assert_eq!(server.metric("isolab_billed_answers_total{executor=\"direct\",function=\"names\"}").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_function_that_burns_its_processor_stays_on_compute_threads() {
    let server = Running::direct(computing(2));
    let mut client = server.client().await;
    for answer in gets(&mut client, "/burn?us=3000", 2 * PROOF).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(server.metric("isolab_slow_functions{executor=\"direct\"}").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_server_with_control_has_no_compute_threads() {
    let (server, _script) = Running::scripted(Config { control: true, ..computing(4) });
    let mut client = server.client().await;
    let answers = gets(&mut client, "/a", PROOF + 2).await;
    assert_eq!(answers.last().unwrap().instance(), (answers[0].instance().0, PROOF + 2));
    assert_eq!((server.metric(THREADS).await, server.metric(SLOW).await), (0, 0));
    server.stop().await;
}
