//! The server that is measured: this binary again, as a process of its own.
//!
//! Memory and CPU time of a model are those of the child. So each experiment has a child of its
//! own, with one executor in it, on its own processor. It cannot outlive the harness: the
//! kernel kills it when its parent dies.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab_core::{Reuse, Spec, Variant, guest};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::http1::Client;
use crate::interrupt;
use crate::server::origin;

/// Longest time until a child listens.
const STARTUP: Duration = Duration::from_mins(1);
/// Longest time until a child ends after SIGTERM: twice the front end's time for draining, and
/// as long again for what an executor removes.
const SHUTDOWN: Duration = Duration::from_mins(1);
/// A child prints this and its address on stdout once it can answer.
pub const LISTENING: &str = "listening on http://";

/// Everything that a child must know.
#[derive(Clone, Debug)]
pub struct ChildOptions<'a> {
    /// The one executor.
    pub spec: &'a Spec,
    /// The variant of all functions; by default the executor chooses.
    pub variant: Option<Variant>,
    /// The reuse policy.
    pub reuse: Reuse,
    /// Functions beside the lab's own.
    pub functions: &'a [PathBuf],
    /// The most live instances; by default the front end's bound.
    pub instances: Option<usize>,
    /// Threads that serve connections and own instances.
    pub workers: usize,
    /// The processors it stays on, instead of the one below; may be empty.
    pub cpus: &'a [usize],
    /// The folder for artifacts.
    pub cache: &'a Path,
    /// Labels what the child makes outside of itself.
    pub run_id: &'a str,
    /// The processor it stays on.
    pub cpu: Option<usize>,
    /// The processor of its instances outside of its process; none if their engine chooses.
    pub guest_cpu: Option<usize>,
    /// Whether it serves the pages that experiments need.
    pub control: bool,
    /// The file for its stderr.
    pub log: &'a Path,
    /// The index of guests that are built already, if there is one.
    pub guests: Option<&'a Path>,
    /// The address of the host `origin`, for functions that are granted it.
    pub origin: Option<SocketAddr>,
}

/// A child did not start.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct NotStarted {
    /// Its last error, or how it ended.
    pub reason: String,
}

/// A running server. It is killed when dropped.
pub struct Child {
    process: std::process::Child,
    begun: Instant,
    address: SocketAddr,
    /// Kept open, because a closed pipe would end the child at its next line.
    _stdout: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a server and waits until it listens.
    ///
    /// # Errors
    /// [`NotStarted`] if it ends before, or takes too long.
    pub fn spawn(options: &ChildOptions<'_>) -> Result<Self> {
        let binary = std::env::current_exe().context("cannot find this binary")?;
        Self::spawn_from(&binary, options)
    }

    /// Starts a server of another build of the lab, and waits until it listens.
    ///
    /// # Errors
    /// [`NotStarted`] if it ends before, or takes too long.
    pub fn spawn_from(binary: &Path, options: &ChildOptions<'_>) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(options.log)
            .with_context(|| format!("cannot write the log {}", options.log.display()))?;
        let start_of_log = log.metadata()?.len();
        let begun = Instant::now();
        let mut process = Command::new(binary)
            .args(arguments(options))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .envs(options.guests.map(|index| (guest::INDEX, index)))
            .spawn()
            .context("cannot start a server process")?;
        interrupt::register(group(&process));
        let stdout = process.stdout.take().expect("stdout is a pipe");
        let mut starting = Starting { process: Some(process) };
        let Some((address, stdout)) = announcement(stdout) else {
            let status = starting.end();
            interrupt::check()?;
            return Err(NotStarted { reason: last_error(options.log, start_of_log, status) }.into());
        };
        Ok(Self { process: starting.take(), begun, address, _stdout: stdout })
    }

    /// The instant just before its process was made.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Opens a connection to it.
    ///
    /// # Errors
    /// If it does not accept one.
    pub fn connect(&self) -> Result<Client> {
        Ok(Client::connect(self.address)?)
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it in order: it drains, and removes what its executor made.
    ///
    /// # Errors
    /// If it does not end in time, or not with exit code 0.
    pub fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGTERM).context("the server is gone")?;
        let status = wait(&mut self.process, SHUTDOWN);
        interrupt::check()?;
        let status = status.with_context(|| format!("the server did not end within {SHUTDOWN:?}"))?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A child that does not listen yet.
struct Starting {
    process: Option<std::process::Child>,
}

impl Starting {
    fn take(&mut self) -> std::process::Child {
        self.process.take().expect("it is taken once")
    }

    fn end(mut self) -> Option<ExitStatus> {
        end(&mut self.take())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            end(process);
        }
    }
}

/// Kills a child if it still runs, and reaps it. After an interrupt the child has time to end by
/// itself.
fn end(process: &mut std::process::Child) -> Option<ExitStatus> {
    if interrupt::is_requested() {
        wait(process, interrupt::GRACE);
    }
    // The kill fails only if the child has ended already.
    let _ = process.kill();
    interrupt::forget(group(process));
    process.wait().ok()
}

/// Waits for a child to end; `None` if it takes longer.
fn wait(process: &mut std::process::Child, longest: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < longest {
        if let Some(status) = process.try_wait().ok()? {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn group(process: &std::process::Child) -> Pid {
    Pid::from_raw(process.id().cast_signed())
}

fn arguments(options: &ChildOptions<'_>) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let mut arguments: Vec<String> =
        ["serve", "--listen", "127.0.0.1:0", "--executor"].map(String::from).to_vec();
    // In short form: another build may lack a setting, and has a default of its own for the others.
    arguments.push(options.spec.to_string());
    let mut option = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
    option("workers", options.workers.to_string());
    option("reuse", options.reuse.to_string());
    option("cache", path(options.cache));
    option("run-id", options.run_id.to_owned());
    option("parent", std::process::id().to_string());
    if let Some(variant) = options.variant {
        option("variant", variant.to_string());
    }
    if let Some(instances) = options.instances {
        option("instances", instances.to_string());
    }
    let cpus = if options.cpus.is_empty() { options.cpu.as_slice() } else { options.cpus };
    for cpu in cpus {
        option("cpu", cpu.to_string());
    }
    if let Some(cpu) = options.guest_cpu {
        option("guest-cpu", cpu.to_string());
    }
    for folder in options.functions {
        option("functions", path(folder));
    }
    if let Some(address) = options.origin {
        option("connect-to", origin::connect_to(address));
    }
    if options.control {
        arguments.push("--control".into());
    }
    arguments
}

/// Waits for the line with the address; `None` if the child ends without it, or takes too
/// long.
fn announcement(stdout: ChildStdout) -> Option<(SocketAddr, BufReader<ChildStdout>)> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        let address = line.trim_end().strip_prefix(LISTENING).and_then(|address| address.parse().ok());
        // The receiver is gone if the wait has timed out.
        let _ = send.send(read.ok().and(address).map(|address| (address, stdout)));
    });
    receive.recv_timeout(STARTUP).ok().flatten()
}

/// The last error in the log of a child that did not start, without its prefix.
fn last_error(log: &Path, start_of_log: u64, status: Option<ExitStatus>) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(start_of_log as usize..).unwrap_or_default()).into_owned();
    let said = text.split("error: ").last().map(str::trim).filter(|said| !said.is_empty());
    match (said, status) {
        (Some(said), _) => said.to_owned(),
        (None, Some(status)) => format!("the server ended with {status} before it listened"),
        (None, None) => format!("the server did not listen within {STARTUP:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_last_error_of_this_child() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let before = "error: of another child\n";
        std::fs::write(log.path(), format!("{before}starting\nerror: no engine\n  at socket\n")).unwrap();
        assert_eq!(last_error(log.path(), before.len() as u64, None), "no engine\n  at socket");
        assert!(last_error(log.path(), 1_000, None).contains("did not listen"));
    }
}
