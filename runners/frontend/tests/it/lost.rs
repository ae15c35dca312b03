//! Functions that nothing can interrupt.

use futures_util::future::join_all;
use isolab_core::Reuse;
use isolab_frontend::{Config, RunError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::scripted::{Call, count};
use crate::support::{PATIENCE, Running, config, until};

const LOST: &str = "isolab_lost_threads_total{executor=\"scripted\",function=\"brief\"";
const LIVE: &str = "isolab_instances_live{executor=\"scripted\",function=\"brief\"}";

/// A scripted server with a function `brief` whose deadline is short.
fn serve(config: Config) -> (Running, std::sync::Arc<crate::support::Script>) {
    Running::scripted_with(config, &["brief", "b"])
}

async fn lost(server: &Running, thread: &str) -> u64 {
    server.metric(&format!("{LOST},thread=\"{thread}\"}}")).await
}

/// Ends the server, which must name its stuck threads.
async fn ends_without(server: Running, threads: usize) {
    let ended = tokio::time::timeout(PATIENCE, server.shut_down()).await.expect("the server ends").unwrap();
    let Err(RunError::Stuck { workers, .. }) = &ended else { panic!("{ended:?}") };
    assert_eq!(workers.len(), threads, "{ended:?}");
    let guests = workers.iter().map(|worker| worker.guest.as_ref().expect("a function holds it"));
    assert!(guests.into_iter().all(|guest| guest.function == "brief"), "{ended:?}");
}

#[tokio::test]
async fn a_compute_thread_that_is_lost_is_replaced_and_its_request_answered() {
    let (server, script) = serve(Config { compute_threads: 2, ..config(Reuse::Warm) });
    script.block_in(Call::Invoke, "brief");
    let details = server.get("/brief").await.problem(504, "deadline");
    let detail = details["detail"].as_str().unwrap();
    assert!(detail.contains("could not be interrupted") && details["phase"] == "invoke", "{detail}");
    assert_eq!((lost(&server, "compute").await, lost(&server, "worker").await), (1, 0));
    assert_eq!(server.metric(LIVE).await, 1, "the instance still takes its place");
    for _ in 0..20 {
        assert_eq!(server.get("/b").await.status, 200);
    }
    assert_eq!(server.metric("isolab_threads{role=\"lost\"}").await, 1);
    ends_without(server, 1).await;
    script.release();
    until("the thread that was left behind has stopped its instances", || script.live() == 0).await;
    assert_eq!(count(&script.leaked), 0);
}

#[tokio::test]
async fn a_start_that_nothing_interrupts_costs_a_compute_thread_too() {
    let (server, script) = serve(Config { compute_threads: 1, ..config(Reuse::Warm) });
    script.block_in(Call::Start, "brief");
    assert_eq!(server.get("/brief").await.problem(504, "deadline")["phase"], "start");
    script.release();
    // The only compute thread was replaced, and the function gets another chance.
    assert_eq!(server.get("/brief").await.status, 200);
    assert_eq!(server.get("/b").await.status, 200);
    server.stop().await;
    until("the thread that was lost has stopped its instances", || script.live() == 0).await;
    assert_eq!(count(&script.leaked), 0);
}

#[tokio::test]
async fn a_function_that_costs_many_threads_is_refused() {
    let (server, script) = serve(Config { compute_threads: 8, ..config(Reuse::Warm) });
    script.block_in(Call::Invoke, "brief");
    let guilty = join_all((0..4).map(|_| server.get("/brief"))).await;
    for answer in guilty {
        answer.problem(504, "deadline");
    }
    let refused = server.get("/brief").await;
    let details = refused.problem(503, "unavailable");
    assert!(details["detail"].as_str().unwrap().contains("held 4 threads"), "{details}");
    assert_eq!(server.get("/b").await.status, 200);
    assert_eq!(lost(&server, "compute").await, 4);
    ends_without(server, 4).await;
    script.release();
}

#[tokio::test]
async fn a_worker_that_is_lost_leaves_no_connection_hanging() {
    let (server, script) = serve(Config { compute_threads: 2, ..config(Reuse::Warm) });
    let mut neighbours = [server.client().await, server.client().await, server.client().await];
    for target in ["/brief", "/b"] {
        for _ in 0..9 {
            assert_eq!(neighbours[0].get(target).await.status, 200);
        }
    }
    let [idle, waiting, guilty] = &mut neighbours;
    for client in [&mut *idle, &mut *waiting, &mut *guilty] {
        assert_eq!(client.get("/b").await.status, 200);
    }
    // Half a head: the server cannot know what the client wants.
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /b HT").await.unwrap();
    let others = async {
        until("a request waits", || count(&script.waiting) == 1).await;
        script.block_in(Call::Invoke, "brief");
        let guilty = guilty.get("/brief");
        let idle = async {
            until("its worker is held", || count(&script.blocked) == 1).await;
            for _ in 0..10 {
                assert_eq!(idle.get("/b").await.status, 200);
            }
        };
        tokio::join!(guilty, idle).0
    };
    let (waiting, guilty) = tokio::join!(waiting.get("/b?wait"), others);
    let details = guilty.problem(504, "deadline");
    assert!(details["detail"].as_str().unwrap().contains("could not be interrupted"), "{details}");
    assert_eq!(guilty.header("connection"), Some("close"));
    waiting.problem(503, "unavailable");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, half.read_to_end(&mut rest)).await;
    read.expect("it is closed").unwrap();
    assert_eq!((lost(&server, "worker").await, lost(&server, "compute").await), (1, 0));

    // A thread that comes back finds its sockets taken, and ends.
    script.release();
    until("it has stopped its instances", || script.live() == 1).await;
    for _ in 0..3 {
        assert_eq!(idle.get("/b").await.status, 200);
    }
    server.until_metric("isolab_connections", 2).await;
    server.stop().await;
    assert_eq!((script.live(), count(&script.leaked)), (0, 0));
}

#[tokio::test]
async fn without_compute_threads_a_lost_worker_is_replaced_and_its_function_refused() {
    let (server, script) = serve(config(Reuse::Warm));
    let mut neighbour = server.client().await;
    assert_eq!(neighbour.get("/b").await.status, 200);
    script.block_in(Call::Invoke, "brief");
    server.get("/brief").await.problem(504, "deadline");
    assert_eq!(neighbour.get("/b").await.status, 200);
    neighbour.get("/brief").await.problem(503, "unavailable");
    assert_eq!(lost(&server, "worker").await, 1);
    ends_without(server, 1).await;
    script.release();
}
