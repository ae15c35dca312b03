//! `serve`, `invoke` and `load`, by the real binary over real sockets.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use isolab::exit::STUCK;
use isolab::http1::Wire;
use isolab_frontend::admin::api;
use nix::sys::signal::Signal;

use crate::support::{Serving, can_run, can_run_as, finish, isolab, run};

const GREETING: &str = r#"{"message":"Hello World"}"#;

/// Every executor, with a variant that it runs. One that is not compiled in cannot run.
const EXECUTORS: [(&str, &str); 11] = [
    ("direct", "rust"),
    ("wasm", "rust"),
    ("v8", "rust"),
    ("docker", "rust"),
    ("oci", "rust"),
    ("process", "rust"),
    ("workerd", "js"),
    ("deno", "js"),
    ("wasmi", "rust"),
    ("wasm3", "rust"),
    ("wasmer", "rust"),
];

fn runnable() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXECUTORS.into_iter().filter(|(executor, variant)| can_run_as(executor, variant))
}

#[test]
fn every_executor_serves_hello_and_drains() {
    for (executor, variant) in runnable() {
        let server = Serving::start(&["--executor", executor, "--variant", variant]);
        let answer = server.connect().get("/hello").unwrap().response;
        assert_eq!(answer.body(), GREETING, "{executor}");
        assert_eq!(answer.headers()["x-isolab-executor"], executor);
        let status = server.terminate();
        assert!(status.success(), "{executor}: {status}");
    }
}

#[test]
fn by_default_serve_has_one_executor_of_each_model_that_can_run() {
    let server = Serving::start(&[]);
    let page = server.connect().get(api::EXECUTORS).unwrap().response;
    let executors: Vec<api::Executor> = serde_json::from_slice(page.body()).unwrap();
    let specs: Vec<_> = executors.iter().map(|executor| executor.spec.as_str()).collect();
    assert!(specs.starts_with(&["wasm"]) && specs.ends_with(&["direct"]), "{specs:?}");
}

#[test]
fn a_wasi_command_is_served_from_a_folder() {
    let module = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 8) "greetings\n")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 8))
                (i32.store (i32.const 4) (i32.const 10))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))"#,
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("greet.wasm"), module).unwrap();
    let folder = folder.path().display().to_string();
    let server = Serving::start(&["--executor", "wasm", "--functions", &folder]);
    let mut client = server.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/greet").unwrap().response.body(), "greetings\n");
    }
    assert_eq!(client.get("/hello").unwrap().response.body(), GREETING, "the lab's own are still there");
}

/// A server with a guest that V8 cannot interrupt on one of its threads.
struct Stuck {
    server: Serving,
    stderr: tempfile::NamedTempFile,
    /// The guest's client, which waits in vain.
    _client: TcpStream,
}

impl Stuck {
    fn start(arguments: &[&str]) -> Self {
        let hostile = format!("{}/../functions/hostile", env!("CARGO_MANIFEST_DIR"));
        let stderr = tempfile::NamedTempFile::new().unwrap();
        let server = Serving::start_with(
            isolab()
                .args(["serve", "--listen", "127.0.0.1:0", "--executor", "v8"])
                .args(["--workers", "2", "--functions", &hostile])
                .args(arguments)
                .stderr(stderr.reopen().unwrap()),
        );
        assert_eq!(server.connect().get("/uninterruptible?calm=1").unwrap().response.body(), "calm");
        let mut client = TcpStream::connect(server.address).unwrap();
        client.write_all(b"GET /uninterruptible HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let stuck = Self { server, stderr, _client: client };
        // The guest's worker has one connection, so this one goes to the other worker.
        let mut pages = stuck.server.connect();
        let mut gauge = |name| {
            let text = pages.get(api::METRICS).unwrap().response;
            let series = format!("isolab_{name}{{executor=\"v8\",function=\"uninterruptible\"}} ");
            let text = String::from_utf8_lossy(text.body()).into_owned();
            let value = text.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok());
            value.expect("an instance has been started")
        };
        stuck.wait_until("an instance is in use", || gauge("instances_live") == gauge("instances_idle") + 1);
        stuck
    }

    /// Has it end by a second signal once the first has closed its door.
    fn interrupt_twice(&self) {
        self.server.signal(Signal::SIGINT);
        let address = self.server.address;
        self.wait_until("connections are refused", || TcpStream::connect(address).is_err());
        self.server.signal(Signal::SIGINT);
    }

    /// Waits for its end, which must name the guest.
    fn has_ended(mut self) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.server.ended() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "the server does not end: {}", self.stderr());
            std::thread::yield_now();
        };
        let stderr = self.stderr();
        assert_eq!(status.code(), Some(i32::from(STUCK)), "{stderr}");
        let last = stderr.trim_end().lines().last().unwrap_or_default();
        let error = last.strip_prefix("error: compute-").unwrap_or_else(|| panic!("{stderr}"));
        assert!(
            error.contains("invoke of `uninterruptible` on v8") && error.contains("(instance "),
            "{stderr}"
        );
    }

    /// Polls until it holds.
    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_mins(1), "never: {what}; stderr: {}", self.stderr());
            std::thread::yield_now();
        }
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.stderr.path()).unwrap()
    }
}

#[test]
fn sigterm_ends_a_server_whose_guest_cannot_be_interrupted() {
    if can_run("v8") {
        let stuck = Stuck::start(&[]);
        stuck.server.signal(Signal::SIGTERM);
        stuck.has_ended();
    }
}

#[test]
fn a_second_sigint_ends_such_a_server_before_the_drain_time() {
    if can_run("v8") {
        let stuck = Stuck::start(&[]);
        stuck.interrupt_twice();
        stuck.has_ended();
    }
}

#[test]
fn such_a_server_still_removes_its_containers() {
    if !can_run("v8") || !can_run("docker") {
        return;
    }
    let id = format!("stuck-{}", std::process::id());
    let containers = || {
        let filter = format!("label=isolab.run={id}");
        let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output();
        String::from_utf8(listed.expect("the engine has its command").stdout).unwrap()
    };
    let stuck = Stuck::start(&["--executor", "docker", "--run-id", &id]);
    let mut client = stuck.server.connect();
    let headers = HeaderMap::from_iter([(api::EXECUTOR, HeaderValue::from_static("docker"))]);
    let wire = Wire::to(&Method::GET, "/hello", &client.host(), headers, Bytes::new()).unwrap();
    let answer = client.send(&wire).unwrap().response;
    assert_eq!(answer.body(), GREETING);
    assert_ne!(containers(), "", "an instance is live");
    stuck.interrupt_twice();
    stuck.has_ended();
    assert_eq!(containers(), "", "a container is left");
}

/// Both engines turn a bad access of their guests into a trap with a signal handler of
/// their own, and a process has one for each signal.
#[test]
fn engines_of_one_process_take_no_trap_from_each_other() {
    let hostile = format!("{}/../functions/hostile", env!("CARGO_MANIFEST_DIR"));
    let server = Serving::start(&["--executor", "wasm,v8", "--variant", "rust", "--functions", &hostile]);
    let mut client = server.connect();
    for executor in ["wasm", "v8", "wasm", "v8"] {
        for (target, status) in [("/overrun", 502), ("/overrun?calm=1", 200)] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("x-isolab-executor"),
                HeaderValue::from_static(executor),
            )]);
            let wire = Wire::to(&Method::GET, target, &client.host(), headers, Bytes::new()).unwrap();
            let answer = client.send(&wire).unwrap().response;
            assert_eq!(answer.status(), status, "{executor}{target}: {answer:?}");
        }
    }
}

#[test]
fn a_server_ends_with_its_parent() {
    let binary = env!("CARGO_BIN_EXE_isolab");
    // A shell that starts a server, waits until it listens, and is killed.
    let script = format!(
        "{binary} serve --executor direct --listen 127.0.0.1:0 --parent $$ > \"$0\" & \
         until grep -q listening \"$0\"; do :; done; kill -9 $$"
    );
    let said = tempfile::NamedTempFile::new().unwrap();
    let finished = finish(Command::new("sh").args(["-c", &script]).arg(said.path()));
    // The pipe of stderr ends when the server does.
    assert_eq!(finished.code, None, "the shell was killed: {finished:?}");
    let said = std::fs::read_to_string(said.path()).unwrap();
    assert!(said.starts_with("listening on"), "{said}");
}

#[test]
fn invoke_prints_the_body_and_nothing_else_on_stdout() {
    for (executor, variant) in runnable() {
        let finished =
            run(["invoke", executor, "hello", "--variant", variant, "--query", "myName=Ada & Bob"]);
        assert_eq!(finished.stdout, r#"{"message":"Hello Ada & Bob"}"#, "{finished:?}");
        for phase in ["prepare", "start", "invoke", "stop", "200"] {
            assert!(finished.stderr.contains(phase), "{phase}: {}", finished.stderr);
        }
    }
}

#[test]
fn invoke_takes_a_body_as_text_or_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"myName":"Ada"}"#).unwrap();
    for data in [r#"{"myName":"Ada"}"#.to_owned(), format!("@{}", file.path().display())] {
        let finished = run(["invoke", "direct", "hello", "--data", &data]);
        assert_eq!(finished.stdout, r#"{"message":"Hello Ada"}"#, "{finished:?}");
    }
}

#[test]
fn load_prints_the_rate_and_latencies_of_a_server() {
    let server = Serving::start(&["--executor", "direct", "--workers", "1"]);
    let url = format!("http://{}/hello?myName=World", server.address);
    let finished = run(["load", &url, "--connections", "4", "--duration", "200ms", "--json"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let json: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let number = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap();
    let (count, seconds) = (number("/requests_count"), number("/duration_ns") / 1e9);
    assert!(count > 100.0 && seconds >= 0.2, "{json}");
    assert!((number("/requests_per_s") / (count / seconds) - 1.0).abs() < 1e-6, "{json}");
    assert_eq!((number("/errors_count"), number("/differing_count")), (0.0, 0.0), "{json}");
    let quantiles =
        ["min", "p50", "p90", "p99", "p999", "max"].map(|name| number(&format!("/latency_ns/{name}")));
    assert!(quantiles.is_sorted() && quantiles[0] > 0.0, "{json}");

    let data = ["load", &url, "--duration", "50ms", "--data", r#"{"myName":"Ada"}"#, "--header", "x-a: b"];
    let finished = run(data);
    assert!(finished.code == Some(0) && finished.stdout.contains("requests/s"), "{finished:?}");
}

#[test]
fn an_error_page_is_not_loaded() {
    let server = Serving::start(&["--executor", "direct"]);
    let finished = run(["load", &format!("http://{}/helo", server.address), "--duration", "50ms"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("404") && finished.stderr.contains("did you mean `hello`?"),
        "{finished:?}"
    );
}

#[test]
fn doctor_shows_every_executor() {
    let finished = run(["doctor"]);
    let executors = EXECUTORS.into_iter().map(|(executor, _)| executor);
    for word in executors.chain(["processor", "cgroups", "advice", "opt-level 3", "costs its thread"]) {
        assert!(finished.stdout.contains(word), "{word}: {}", finished.stdout);
    }
    let without = finish(isolab().arg("doctor").env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    assert_eq!(without.code, Some(1));
    assert!(without.stdout.contains("cannot run"), "{}", without.stdout);
}

#[test]
fn build_prints_what_it_built() {
    let finished = run(["build", "--function", "hello"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("`hello` as a Wasm module"), "{}", finished.stdout);
}
