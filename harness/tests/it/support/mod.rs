//! The real binary, servers that end with their test, and a [`server`] whose every delay is
//! known.

#![allow(dead_code, reason = "two test binaries share it and use different parts")]

pub(crate) mod server;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use isolab::http1::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The exit code and output of a finished process.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The last line on stdout.
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.trim_end().lines().next_back().unwrap_or_default()
    }
}

/// The binary under test.
pub(crate) fn isolab() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    command.stdin(Stdio::null());
    command
}

/// Runs it with these arguments to its end.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    finish(isolab().args(arguments))
}

/// Held by each test that measures: all runs keep their servers on the same processor.
pub(crate) fn one_run_at_a_time() -> MutexGuard<'static, ()> {
    static RUN: Mutex<()> = Mutex::new(());
    RUN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    let output = command.output().expect("the binary runs");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Whether an executor can run here. If not, the test fails if `ISOLAB_REQUIRE` names the
/// executor, and otherwise prints why it skips it.
pub(crate) fn can_run(executor: &str) -> bool {
    can_run_as(executor, "rust")
}

/// The same for an executor that runs this variant.
pub(crate) fn can_run_as(executor: &str, variant: &str) -> bool {
    let tried = run(["invoke", executor, "hello", "--variant", variant]);
    if tried.code == Some(0) {
        return true;
    }
    assert!(!is_required(executor), "{executor} is required: {}", tried.stderr);
    eprintln!("skipped: {}", tried.stderr.trim_end());
    false
}

/// Whether `ISOLAB_REQUIRE` names an executor.
pub(crate) fn is_required(executor: &str) -> bool {
    std::env::var("ISOLAB_REQUIRE").unwrap_or_default().split(',').any(|name| name == executor)
}

/// A running `isolab serve`.
pub(crate) struct Serving {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Serving {
    /// Starts a server on a free port and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(isolab().args(["serve", "--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// Starts the server of this command and waits until it listens.
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("stdout is text");
        let address = line.trim_end().strip_prefix("listening on http://").and_then(|it| it.parse().ok());
        let Some(address) = address else {
            let status = process.wait();
            panic!("the server ended with {status:?} instead of listening: {line}");
        };
        Self { process, address }
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address).expect("it listens")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("it is this process's child")
    }

    /// Ends it as a service manager would.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).expect("it runs");
        self.process.wait().expect("it is this process's child")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes a function with a JavaScript variant and one case, `GET /` answered `ok`.
pub(crate) fn write_function(folder: &Path, handler: &str) {
    std::fs::create_dir_all(folder.join("cases")).unwrap();
    std::fs::write(
        folder.join("function.toml"),
        "description = \"of a test\"\n[limits]\ndeadline_ms = 300\n",
    )
    .unwrap();
    std::fs::write(folder.join("handler.js"), handler).unwrap();
    let case = r#"{"request": {}, "response": {"status": 200, "body": "ok"}}"#;
    std::fs::write(folder.join("cases/ok.json"), case).unwrap();
}
