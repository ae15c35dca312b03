//! The bill of an answer against known truths: functions that burn and touch a set amount, and
//! the CPU clock of the process that sends the bills.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use isolab::host::probes::process;
use isolab::http1::{Client, Wire};
use isolab_core::Response;
use isolab_frontend::admin::api::BILL;

use crate::support::{Serving, can_run, run};

const EXECUTORS: [&str; 4] = ["direct", "wasm", "v8", "docker"];

fn instrument(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/instruments").join(name)
}

fn serve(executor: &str, variant: &str, reuse: &str, more: &[&str]) -> Serving {
    let (burn, touch) = (instrument("burn"), instrument("touch"));
    let mut arguments =
        vec!["--executor", executor, "--variant", variant, "--reuse", reuse, "--workers", "1"];
    arguments.extend(["--functions", burn.to_str().unwrap(), "--functions", touch.to_str().unwrap()]);
    arguments.extend(more);
    Serving::start(&arguments)
}

/// Sends a request that asks for its bill.
fn ask(client: &mut Client, target: &str) -> Response {
    let headers = HeaderMap::from_iter([(BILL, HeaderValue::from_static("1"))]);
    let wire = Wire::to(&Method::GET, target, "localhost", headers, Bytes::new()).unwrap();
    let response = client.send(&wire).unwrap().response;
    assert_eq!(response.status(), 200, "{response:?}");
    response
}

/// A number on the bill; `None` if the bill does not have it.
fn billed(response: &Response, key: &str) -> Option<u64> {
    let bill = response.headers().get(BILL).unwrap_or_else(|| panic!("no bill: {response:?}"));
    let mut pairs = bill.to_str().unwrap().split(", ").filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map(|(_, value)| value.parse().unwrap())
}

/// CPU time on the bill, in the server and outside.
fn cpu_ns(response: &Response) -> u64 {
    billed(response, "cpu_ns").unwrap() + billed(response, "outside_cpu_ns").unwrap_or_default()
}

/// CPU time of each thread of the server, in nanoseconds: the first field of `schedstat` (proc(5)).
fn thread_clocks(server: &Serving) -> BTreeMap<OsString, u64> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().map(Result::unwrap);
    let clock = |thread: &DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0)
    };
    threads.map(|thread| (thread.file_name(), clock(&thread))).collect()
}

fn within(percent: f64, measured: f64, truth: f64, name: &str) {
    let off = (measured / truth - 1.0) * 100.0;
    assert!(off.abs() <= percent, "{name}: {measured} instead of {truth}, {off:+.2} %");
}

/// The server is a process of its own and does nothing else meanwhile. Each answer computes for
/// some 40 ms, so that the front end's own work is far below 1 %. The thread that answers must
/// agree within 2 %. The whole process has more threads, which wake up for deadlines: their share
/// grows where neighbours make an answer last. The function allocates nothing, because V8
/// collects garbage on threads of its own.
#[test]
fn the_sum_of_bills_is_the_cpu_time_of_the_process() {
    const ANSWERS: u64 = 25;
    for (executor, target) in
        [("direct", "/burn?us=40000"), ("wasm", "/fibonacci?n=36"), ("v8", "/fibonacci?n=36")]
    {
        if !can_run(executor) {
            continue;
        }
        let server = serve(executor, "rust", "warm", &["--bill=1"]);
        let mut client = server.connect();
        // V8 also compiles on other threads until the function is hot.
        for _ in 0..5 {
            ask(&mut client, target);
        }
        let clock = || process::cpu_time(server.pid().as_raw().cast_unsigned()).unwrap();
        let (begun, threads) = (clock(), thread_clocks(&server));
        let sum: u64 = (0..ANSWERS).map(|_| cpu_ns(&ask(&mut client, target))).sum();
        let whole = clock().saturating_sub(begun).as_nanos() as f64;
        let used =
            thread_clocks(&server).into_iter().map(|(thread, now)| now - threads.get(&thread).unwrap_or(&0));
        let worker = used.max().expect("a process has threads");
        within(2.0, sum as f64, worker as f64, &format!("{executor}, to its thread"));
        within(5.0, sum as f64, whole, &format!("{executor}, to the whole process"));
        if executor == "direct" {
            // Only native code can read the clock of its own CPU time.
            within(2.0, sum as f64, (ANSWERS * 40_000_000) as f64, "direct, to the function's own clock");
        }
    }
}

#[test]
fn a_container_pays_for_what_it_burns() {
    if !can_run("docker") {
        return;
    }
    for more in [&[][..], &["--bill=1"]] {
        let server = serve("docker", "rust", "warm", more);
        let mut client = server.connect();
        ask(&mut client, "/burn");
        let responses: Vec<_> = (0..30).map(|_| ask(&mut client, "/burn")).collect();
        let outside: u64 = responses.iter().map(|it| billed(it, "outside_cpu_ns").unwrap()).sum();
        assert!(responses.iter().all(|it| billed(it, "outside_answers") == Some(1)));
        // The container also receives and sends.
        within(5.0, outside as f64, Duration::from_millis(300).as_nanos() as f64, "docker");
    }
}

#[test]
fn a_function_that_touches_16_mebibytes_shows_them_in_peak_and_faults() {
    const TOUCHED_BYTES: u64 = 16 << 20;
    for executor in EXECUTORS.into_iter().filter(|executor| can_run(executor)) {
        for variant in ["rust", "js"] {
            if executor == "direct" {
                continue;
            }
            let server = serve(executor, variant, "warm", &[]);
            let mut client = server.connect();
            let first = ask(&mut client, "/touch");
            let peak = billed(&first, "peak_memory_bytes").or(billed(&first, "instance_peak_memory_bytes"));
            let name = format!("{executor} {variant}: {:?}", first.headers()[BILL]);
            assert!(peak.is_some_and(|peak| (TOUCHED_BYTES..128 << 20).contains(&peak)), "{name}");
            let faults = |response: &Response| {
                ["minor_faults", "outside_minor_faults"]
                    .map(|key| billed(response, key).unwrap_or(0))
                    .iter()
                    .sum::<u64>()
            };
            // A page has 4 KiB; the kernel may bring in several at one fault.
            assert!(faults(&first) > 4, "{name}");
            let again = ask(&mut client, "/touch");
            assert!(faults(&again) * 4 < faults(&first), "{name}, then {:?}", again.headers()[BILL]);
        }
    }
}

#[test]
fn invoke_prints_the_bill() {
    let finished = run(["invoke", "direct", "hello"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let bill = finished.stderr.lines().find(|line| line.starts_with("bill ")).expect("a line with the bill");
    assert!(bill.contains("cpu_ns=") && bill.contains("peak_memory_unknown="), "{bill}");
}
