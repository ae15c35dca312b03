//! The bill of an answer.

use std::num::NonZeroU32;

use http::Request;
use isolab_core::Reuse;
use isolab_frontend::Config;

use crate::support::{Running, config};

fn billing(reuse: Reuse) -> Config {
    Config { bill_every: Some(NonZeroU32::MIN), ..config(reuse) }
}

#[tokio::test]
async fn only_a_client_that_asks_gets_a_bill() {
    let server = Running::direct(config(Reuse::Warm));
    let mut client = server.client().await;
    assert_eq!(client.get("/hello").await.header("x-isolab-bill"), None);
    let answer = client.get_billed("/hello").await;
    assert!(answer.billed("cpu_ns") > 0, "{answer:?}");
    let bill = answer.bill();
    assert!(bill.contains_key("minor_faults") && bill.contains_key("major_faults"), "{bill:?}");
    assert!(bill["peak_memory_unknown"].contains("the server's"), "{bill:?}");
    assert!(!bill.keys().any(|key| key.starts_with("outside")), "{bill:?}");
    let wrong = Request::get("/hello").header("x-isolab-bill", "yes").body(String::new()).unwrap();
    let details = client.send(wrong).await.problem(400, "bad-request");
    assert!(details["detail"].as_str().unwrap().contains("x-isolab-bill"), "{details}");
    server.stop().await;
}

#[tokio::test]
async fn a_function_neither_sees_nor_forges_it() {
    let server = Running::direct(config(Reuse::Warm));
    let mut client = server.client().await;
    let names = client.get_billed("/names").await.text();
    assert!(names.contains("host") && !names.contains("bill"), "{names}");
    assert_eq!(client.get("/frame").await.header("x-isolab-bill"), None);
    let forged = client.get_billed("/frame").await;
    assert_eq!(forged.headers.get_all("x-isolab-bill").iter().count(), 1);
    assert_ne!(forged.billed("cpu_ns"), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_bills_adds_up_its_bills() {
    let server = Running::direct(billing(Reuse::Warm));
    let mut client = server.client().await;
    let (mut cpu_ns, mut faults) = (0, 0);
    for _ in 0..20 {
        let answer = client.get("/hello").await;
        cpu_ns += answer.billed("cpu_ns");
        faults += answer.billed("minor_faults");
    }
    let metrics = client.get("/-/metrics").await.text();
    // In billionths, which are exact where the unit is seconds.
    let sum = |family: &str, kind: &str| -> u64 {
        let lines = metrics.lines().filter(|line| line.starts_with(family) && line.contains(kind));
        let values = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap());
        values.map(|value| (value * 1e9).round() as u64).sum()
    };
    assert_eq!(sum("isolab_billed_answers_total", ""), 20_000_000_000, "{metrics}");
    assert_eq!(sum("isolab_billed_cpu_seconds_total", ""), cpu_ns, "{metrics}");
    assert_eq!(sum("isolab_billed_page_faults_total", "minor"), faults * 1_000_000_000, "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn one_of_this_many_answers_is_billed() {
    let every = NonZeroU32::new(4);
    let server = Running::direct(Config { workers: 1, bill_every: every, ..config(Reuse::Warm) });
    let mut client = server.client().await;
    let mut billed = Vec::new();
    for _ in 0..9 {
        billed.push(client.get("/hello").await.header("x-isolab-bill").is_some());
    }
    let expected = [true, false, false, false, true, false, false, false, true];
    assert_eq!(billed, expected);
    assert!(client.get_billed("/hello").await.billed("cpu_ns") > 0, "who asks gets a bill at any time");
    let metrics = client.get("/-/metrics").await.text();
    let counts = metrics.lines().filter(|line| line.starts_with("isolab_billed_answers_total{"));
    assert_eq!(counts.map(|line| line.rsplit_once(' ').unwrap().1).collect::<Vec<_>>(), ["4"], "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn a_fresh_answer_pays_for_its_start_and_the_sums_know_the_stop() {
    let server = Running::direct(billing(Reuse::Fresh));
    let mut client = server.client().await;
    client.get("/hello").await.bill();
    let metrics = client.get("/-/metrics").await.text();
    for phase in ["start", "invoke", "stop"] {
        let place = format!("place=\"{phase}\"");
        assert!(metrics.contains(&place), "{place} in {metrics}");
    }
    server.stop().await;
}

#[tokio::test]
async fn ten_milliseconds_of_work_are_on_the_bill() {
    let server = Running::direct(config(Reuse::Warm));
    let mut client = server.client().await;
    // `burn` reads the CPU clock of its thread.
    for us in [10_000, 2_000, 50] {
        let cpu_ns = client.get_billed(&format!("/burn?us={us}")).await.billed("cpu_ns");
        let least = us * 950;
        assert!((least..us * 1_000 + 300_000).contains(&cpu_ns), "{cpu_ns} ns for {us} us");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_failed_invocation_and_an_unreadable_control_group_are_said() {
    let (server, _script) = Running::scripted(config(Reuse::Warm));
    let mut client = server.client().await;
    let answer = client.get_billed("/a").await;
    assert!(answer.bill()["outside_unknown"].contains("control group"), "{answer:?}");
    let answer = client.get_billed("/a?fail=trapped").await;
    answer.problem(502, "trapped");
    assert!(answer.bill()["peak_memory_unknown"].contains("failed"), "{answer:?}");
    server.stop().await;
}
