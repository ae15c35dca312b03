//! `isolab serve --watch`: functions change while clients ask for them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method};
use isolab::http1::{Client, Wire};
use isolab_core::Response;

use crate::support::{Serving, can_run_as, finish, isolab, run, write_function};

/// A server whose functions are those of a folder, and its stderr.
struct Watched {
    server: Serving,
    folder: PathBuf,
    log: PathBuf,
    _temporary: tempfile::TempDir,
}

impl Watched {
    /// Serves the functions that `write` puts into a folder.
    fn start(executors: &str, write: impl FnOnce(&Path)) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("functions");
        fs::create_dir(&folder).unwrap();
        write(&folder);
        let log = temporary.path().join("log");
        let mut command = isolab();
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--watch",
            "--variant",
            "js",
            "--executor",
            executors,
        ]);
        command.arg("--functions").arg(&folder).stderr(File::create(&log).unwrap());
        Self { server: Serving::start_with(&mut command), folder, log, _temporary: temporary }
    }

    /// Waits until this function answers so on every executor.
    fn await_answer(&self, executors: &str, name: &str, body: &str) {
        let mut client = self.server.connect();
        for executor in executors.split(',') {
            self.poll(|| ask(&mut client, executor, name).body() == body);
        }
    }

    /// Waits until the server has said this.
    fn await_log(&self, text: &str) {
        self.poll(|| fs::read_to_string(&self.log).unwrap().contains(text));
    }

    fn poll(&self, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let log = fs::read_to_string(&self.log).unwrap();
            assert!(begun.elapsed() < Duration::from_mins(1), "the server says: {log}");
            thread::yield_now();
        }
    }
}

/// Says at its end, also that of a failed test, that threads may end.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn handler(body: &str) -> String {
    format!("export default {{ fetch: () => new Response('{body}') }}")
}

fn ask(client: &mut Client, executor: &str, name: &str) -> Response {
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-isolab-executor"),
        HeaderValue::from_str(executor).unwrap(),
    )]);
    let wire =
        Wire::to(&Method::GET, &format!("/{name}"), "localhost", headers, bytes::Bytes::new()).unwrap();
    client.send(&wire).unwrap().response
}

#[test]
fn a_changed_function_is_taken_up_and_no_request_is_lost() {
    let executors = ["wasm", "v8", "process"].into_iter().filter(|executor| can_run_as(executor, "js"));
    let executors = executors.collect::<Vec<_>>().join(",");
    let watched = Watched::start(&executors, |folder| {
        fs::write(folder.join("greet.js"), handler("version 0")).unwrap();
        fs::write(
            folder.join("other.js"),
            "let uses = 0; export default { fetch: () => new Response(`${++uses}`) }",
        )
        .unwrap();
    });
    watched.await_answer(&executors, "greet", "version 0");
    let uses_before = ask(&mut watched.server.connect(), "v8", "other").body().clone();

    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for executor in executors.split(',') {
            let (watched, is_over) = (&watched, &is_over);
            scope.spawn(move || {
                // One connection for all versions: a lost connection is a lost request.
                let mut client = watched.server.connect();
                let mut last = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let response = ask(&mut client, executor, "greet");
                    assert_eq!(response.status(), 200, "{executor}: {response:?}");
                    let body = String::from_utf8_lossy(response.body()).into_owned();
                    let version: u32 = body.strip_prefix("version ").unwrap().parse().unwrap();
                    assert!(version >= last, "{executor}: version {version} answers after version {last}");
                    last = version;
                }
            });
        }
        let _over = Over(&is_over);
        for version in 1..=3 {
            let body = format!("version {version}");
            fs::write(watched.folder.join("greet.js"), handler(&body)).unwrap();
            watched.await_answer(&executors, "greet", &body);
        }
    });
    // The instance of the function that did not change has stayed.
    let uses = ask(&mut watched.server.connect(), "v8", "other").body().clone();
    assert_eq!((&uses_before[..], &uses[..]), (&b"1"[..], &b"2"[..]));
}

#[test]
fn a_version_that_cannot_be_prepared_is_not_taken_up() {
    let watched = Watched::start("v8", |folder| {
        fs::write(folder.join("greet.js"), handler("works")).unwrap();
        fs::write(folder.join("other.js"), handler("old")).unwrap();
    });
    watched.await_answer("v8", "greet", "works");
    watched.await_answer("v8", "other", "old");

    fs::write(watched.folder.join("greet.js"), "export default {{{").unwrap();
    watched.await_log("not taken up: prepare of `greet`");
    assert_eq!(ask(&mut watched.server.connect(), "v8", "greet").body(), "works");
    // It holds up nothing: the next version is taken up, and with it what changed in between.
    fs::write(watched.folder.join("other.js"), handler("new")).unwrap();
    fs::write(watched.folder.join("greet.js"), handler("mended")).unwrap();
    watched.await_answer("v8", "greet", "mended");
    watched.await_answer("v8", "other", "new");
}

#[test]
fn a_function_that_writes_without_end_holds_up_no_change() {
    let watched = Watched::start("v8", |folder| {
        fs::write(folder.join("greet.js"), handler("old")).unwrap();
        let writer = folder.join("writer");
        write_function(&writer, &handler("ok"));
        fs::create_dir(writer.join("data")).unwrap();
        let grant = "[grants]\nfolders = [{ path = \"data\", at = \"/data\", writable = true }]\n";
        fs::write(writer.join("function.toml"), format!("description = \"of a test\"\n{grant}")).unwrap();
    });
    watched.await_answer("v8", "greet", "old");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for name in (0..4).cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                fs::write(watched.folder.join("writer/data").join(format!("{name}")), "more").unwrap();
            }
        });
        let _over = Over(&is_over);
        fs::write(watched.folder.join("greet.js"), handler("new")).unwrap();
        watched.await_answer("v8", "greet", "new");
    });
    let log = fs::read_to_string(&watched.log).unwrap();
    assert!(!log.contains("writer"), "{log}");
}

#[test]
fn functions_appear_and_go() {
    let watched = Watched::start("v8", |folder| {
        fs::write(folder.join("stays.js"), handler("here")).unwrap();
        fs::write(folder.join("goes.js"), handler("still")).unwrap();
    });
    watched.await_answer("v8", "goes", "still");
    let mut client = watched.server.connect();
    assert_eq!(ask(&mut client, "v8", "comes").status(), 404);
    fs::write(watched.folder.join("comes.js"), handler("new")).unwrap();
    watched.poll(|| ask(&mut client, "v8", "comes").body() == "new");
    fs::remove_file(watched.folder.join("goes.js")).unwrap();
    watched.poll(|| ask(&mut client, "v8", "goes").status() == 404);
    assert_eq!(ask(&mut client, "v8", "stays").body(), "here");
    let listed = client.get("/-/functions").unwrap().response;
    let listed = String::from_utf8_lossy(listed.body()).into_owned();
    assert!(listed.contains("\"comes\"") && !listed.contains("\"goes\""), "{listed}");
}

#[test]
fn an_experiment_has_fixed_functions() {
    let refused = run(["serve", "--watch", "--control"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let nowhere = finish(isolab().args(["serve", "--watch", "--functions", "/nowhere"]));
    assert_eq!(nowhere.code, Some(2), "{}", nowhere.stderr);
}
