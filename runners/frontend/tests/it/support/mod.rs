//! A running server, and a client for it.

pub(crate) mod client;
pub(crate) mod native;
pub(crate) mod scripted;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use isolab_core::{Executor, Function, Library, Reuse};
use isolab_frontend::{Bounds, Config, RunError, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use client::{Answer, Client};
pub(crate) use scripted::Script;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One worker on a free port, and no compute threads: what happens on one thread is in order.
pub(crate) fn config(reuse: Reuse) -> Config {
    Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        workers: 1,
        compute_threads: 0,
        reuse,
        bounds: Bounds { drain: Duration::from_secs(5), ..Bounds::default() },
        ..Config::default()
    }
}

/// Functions with these names and without cases, and `hello` with its cases.
pub(crate) fn library(names: &[&str]) -> (Library, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        let response_bytes = if *name == "large" { 64 << 20 } else { 1_000 };
        // The least that a test of a function that outlives its deadline has to wait for.
        let deadline_ms = if *name == "brief" { 20 } else { 10_000 };
        let limits = format!("[limits]\nresponse_bytes = {response_bytes}\ndeadline_ms = {deadline_ms}\n");
        std::fs::write(path.join("function.toml"), format!("description = \"a test\"\n{limits}")).unwrap();
        std::fs::write(path.join("Cargo.toml"), "").unwrap();
    }
    let mut library = Library::open(&[folder.path().to_owned()]).unwrap();
    let hello = isolab_core::guest::workspace().join("functions/hello");
    library.insert(Function::load(&hello).unwrap());
    (library, folder)
}

/// A server in this process. It ends with the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    hurry: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) fn start(config: Config, executors: Vec<Arc<dyn Executor>>, library: Library) -> Self {
        let server = Server::bind(config, executors, library).unwrap();
        let address = server.local_addr();
        let (shutdown, is_shut_down) = oneshot::channel();
        let (hurry, is_hurried) = oneshot::channel();
        let until_shutdown = async {
            // The sender is dropped when the test panics.
            let _ = is_shut_down.await;
        };
        let until_hurry = async {
            if is_hurried.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::spawn(server.run(until_shutdown, until_hurry));
        Self { address, shutdown, hurry, ended }
    }

    /// `direct` with the functions of [`native`].
    pub(crate) fn direct(config: Config) -> Self {
        let (library, _folder) = library(&native::names());
        Self::start(config, vec![native::direct()], library)
    }

    /// A scripted executor with the functions `a` and `b`.
    pub(crate) fn scripted(config: Config) -> (Self, Arc<Script>) {
        Self::scripted_with(config, &["a", "b"])
    }

    /// A scripted executor with these functions.
    pub(crate) fn scripted_with(config: Config, functions: &[&str]) -> (Self, Arc<Script>) {
        let script = Arc::new(Script::default());
        let (library, _folder) = library(functions);
        (Self::start(config, vec![scripted::executor(&script)], library), script)
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.client().await.get(target).await
    }

    pub(crate) async fn send(&self, method: Method, target: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(target).body(body.to_owned()).unwrap();
        self.client().await.send(request).await
    }

    /// The value of a series; 0 if the metrics do not have it.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let text = self.get("/-/metrics").await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Reads the metric until it has this value.
    pub(crate) async fn until_metric(&self, series: &str, expected: u64) {
        let reached = async {
            while self.metric(series).await != expected {
                tokio::task::yield_now().await;
            }
        };
        let text = "never reached: ";
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{text}{series} {expected}"));
    }

    /// Tells the server to end, without waiting for it.
    pub(crate) fn shut_down(self) -> JoinHandle<Result<(), RunError>> {
        self.shutdown.send(()).unwrap();
        self.ended
    }

    /// Tells the server to end, and then to give up the requests in flight.
    pub(crate) fn shut_down_hurriedly(self) -> JoinHandle<Result<(), RunError>> {
        self.shutdown.send(()).unwrap();
        self.hurry.send(()).unwrap();
        self.ended
    }

    /// Drops the running server. Returns whether it was running.
    pub(crate) async fn abort(self) -> bool {
        self.ended.abort();
        self.ended.await.is_err_and(|error| error.is_cancelled())
    }

    pub(crate) async fn stop(self) {
        let ended = self.shut_down();
        tokio::time::timeout(PATIENCE, ended).await.expect("the server ends").unwrap().unwrap();
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("never: {what}"));
}
