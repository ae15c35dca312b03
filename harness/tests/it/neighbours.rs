//! Real engines with functions that hold their thread, beside functions that do not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::StatusCode;
use isolab::exit::STUCK;
use isolab_frontend::admin::api;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::{Serving, can_run};

const HOSTILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/hostile");

/// A connection that has sent the same request this number of times.
fn sent(server: &Serving, target: &str, times: usize) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(times).as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    BufReader::new(stream)
}

/// Reads one response: its status and body.
fn answer(connection: &mut BufReader<TcpStream>) -> (u16, String) {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    (status.unwrap_or_else(|| panic!("no response")), String::from_utf8(body).unwrap())
}

/// The sum of all series with this beginning.
fn metric(server: &Serving, series: &str) -> u64 {
    let page = server.connect().get(api::METRICS).unwrap().response;
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    let lines = text.lines().filter(|line| line.starts_with(series));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Several connections have a function compute until its deadline, again and again. Others are
/// answered in the meantime.
fn computes_beside_others(executor: &str, variant: &str) {
    const COMPUTING: usize = 4;
    const TURNS: usize = 3;

    if !can_run(executor) {
        return;
    }
    let server = Serving::start(&[
        "--executor",
        executor,
        "--variant",
        variant,
        "--functions",
        HOSTILE,
        "--workers",
        "2",
    ]);
    let mut neighbours: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let mut ask_all = |target: &'static str| {
        for client in &mut neighbours {
            assert_eq!(client.get(target).unwrap().response.status(), StatusCode::OK, "{executor}{target}");
        }
    };
    for _ in 0..5 {
        ask_all("/hello");
    }
    let mut computing: Vec<_> = (0..COMPUTING).map(|_| sent(&server, "/spin", TURNS)).collect();
    let begun = Instant::now();
    while metric(&server, "isolab_instances_live{") < metric(&server, "isolab_instances_idle{") + 2 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the functions do not compute");
    }
    for _ in 0..10 {
        ask_all("/hello");
        ask_all("/recurse?calm=1");
        ask_all(api::HEALTHZ);
    }
    let series = format!("isolab_responses_total{{executor=\"{executor}\",function=\"spin\"");
    let answered = metric(&server, &series);
    assert!(answered < (COMPUTING * TURNS) as u64, "the others were answered first");
    for connection in &mut computing {
        for _ in 0..TURNS {
            let (status, body) = answer(connection);
            assert_eq!(status, 504, "{body}");
            assert!(body.contains("deadline") && !body.contains("could not be interrupted"), "{body}");
        }
    }
    assert_eq!(metric(&server, "isolab_lost_threads_total"), 0);
    let status = server.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn a_wasm_function_computes_beside_others() {
    computes_beside_others("wasm", "rust");
}

#[test]
fn a_javascript_function_computes_beside_others_in_v8() {
    computes_beside_others("v8", "js");
}

/// Keeps threads of this process busy on one processor until it is dropped.
struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    fn on(cpu: CpuSet, threads: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let threads = (0..threads).map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                sched_setaffinity(Pid::from_raw(0), &cpu).unwrap();
                while !stop.load(Ordering::Relaxed) {}
            })
        });
        Self { threads: threads.collect(), stop }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// A guest's own thread ends it, and that thread gives way to all others.
#[test]
fn a_function_that_computes_on_a_busy_processor_is_interrupted() {
    if !can_run("v8") {
        return;
    }
    let server =
        Serving::start(&["--executor", "v8", "--variant", "js", "--functions", HOSTILE, "--workers", "1"]);
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut cpu = CpuSet::new();
    cpu.set((0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap()).unwrap()).unwrap();
    for thread in std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        let thread = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
        sched_setaffinity(Pid::from_raw(thread), &cpu).unwrap();
    }
    let mut computing = sent(&server, "/spin", 1);
    let series = "isolab_instances_live{executor=\"v8\",function=\"spin\"";
    let begun = Instant::now();
    while metric(&server, series) == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "the function does not compute");
    }
    let busy = Busy::on(cpu, 8);
    let (status, body) = answer(&mut computing);
    drop(busy);
    assert_eq!(status, 504, "{body}");
    assert!(!body.contains("could not be interrupted"), "{body}");
    assert_eq!(metric(&server, "isolab_lost_threads_total"), 0);
    let status = server.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn an_isolate_that_nothing_interrupts_costs_its_thread_only() {
    if !can_run("v8") {
        return;
    }
    let mut server =
        Serving::start(&["--executor", "v8", "--variant", "js", "--functions", HOSTILE, "--workers", "1"]);
    let mut neighbour = server.connect();
    assert_eq!(neighbour.get("/hello").unwrap().response.status(), StatusCode::OK);
    let mut guilty = sent(&server, "/uninterruptible", 1);
    let begun = Instant::now();
    while metric(&server, "isolab_lost_threads_total") == 0 {
        assert_eq!(neighbour.get("/hello").unwrap().response.status(), StatusCode::OK);
        assert!(begun.elapsed() < Duration::from_mins(1), "no thread is lost");
    }
    let (status, body) = answer(&mut guilty);
    assert_eq!(status, 504, "{body}");
    assert!(body.contains("could not be interrupted") && body.contains("uninterruptible"), "{body}");
    assert_eq!(metric(&server, "isolab_lost_threads_total{executor=\"v8\",function=\"uninterruptible\""), 1);
    assert_eq!(neighbour.get("/uninterruptible?calm=1").unwrap().response.body(), "calm");

    server.signal(Signal::SIGTERM);
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = server.ended() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "the server does not end");
        std::thread::yield_now();
    };
    assert_eq!(status.code(), Some(i32::from(STUCK)));
}

/// Each container that dies with its request costs the host a start, which its neighbours pay.
#[test]
fn a_function_whose_containers_keep_dying_waits_for_more_and_its_neighbour_does_not() {
    const DEATHS: usize = 16;

    if !can_run("docker") {
        return;
    }
    let server = Serving::start(&["--executor", "docker", "--variant", "rust", "--functions", HOSTILE]);
    let mut neighbour = server.connect();
    let mut hello = || assert_eq!(neighbour.get("/hello").unwrap().response.status(), StatusCode::OK);
    hello();
    let mut refusal = None;
    for _ in 0..=DEATHS / 8 {
        let mut connections: Vec<_> = (0..8).map(|_| sent(&server, "/spin", 1)).collect();
        for connection in &mut connections {
            hello();
            let (status, body) = answer(connection);
            assert!(matches!(status, 503 | 504), "{status} {body}");
            if status == 503 {
                refusal = Some(body);
            }
        }
    }
    let mut connection = sent(&server, "/spin", 1);
    hello();
    let refusal = refusal.unwrap_or_else(|| answer(&mut connection).1);
    assert!(refusal.contains("over-capacity") && refusal.contains("keep dying"), "{refusal}");
    hello();
}
