//! One process: how it is run, how it is killed, and why it died.

use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use isolab_core::{Cause, Limits};
use isolab_guest::caller::Server as Called;
use isolab_guest::connection::Connection;
use isolab_guest::socket::HostSocket;
use isolab_guest::{death, session};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getppid};
use tokio::io::AsyncReadExt;
use tokio::process::{Child as Running, ChildStderr, Command};
use tokio::sync::{Mutex, Notify};

use crate::artifact::Server;

/// How long a process may take to die after it has closed its connection.
const DEATH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long its last words may take to arrive. A process that it has started may hold its stderr open.
const WORDS_TIMEOUT: Duration = Duration::from_millis(100);
/// How much of the end of its stderr is kept, and read at once.
const WORDS_BYTES: usize = 4096;
/// Between two reads. A process that writes without end would otherwise keep its host's thread busy.
const READ_PAUSE: Duration = Duration::from_millis(1);
/// While another thread starts a process, that one may hold a server's file open for writing, and the kernel
/// refuses to run the file (`ETXTBSY`, execve(2)).
const BUSY_RETRIES: usize = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// A process with the socket that it connects to. It is killed when it is dropped.
pub(crate) struct Child {
    pub(crate) id: u32,
    running: Mutex<Running>,
    /// Whether it has ended, and its group was killed. Its number may belong to another process then.
    is_over: Cell<bool>,
    socket: HostSocket,
    limits: Limits,
    words: Arc<Words>,
}

/// The end of what a process has written to stderr.
#[derive(Default)]
struct Words {
    bytes: StdMutex<Vec<u8>>,
    /// Notified at the end.
    ended: Notify,
}

impl Child {
    /// Runs a server that will connect to `socket`.
    pub(crate) async fn spawn(
        server: &Server,
        environment: Vec<(OsString, OsString)>,
        more_arguments: &[String],
        (socket, limits, cpu): (HostSocket, Limits, Option<usize>),
    ) -> Result<Self, Cause> {
        let mut command = command(server, environment, more_arguments, limits, cpu);
        let mut running = spawn(&mut command).await.map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::PermissionDenied => "; set TMPDIR to a folder that every user may enter",
                _ => "",
            };
            Cause::Internal(format!("{} cannot be run: {error}{advice}", server.program.display()))
        })?;
        let id = running.id().ok_or_else(|| Cause::Internal("the process has no id".into()))?;
        let words = Arc::<Words>::default();
        if let Some(stderr) = running.stderr.take() {
            tokio::spawn(listen(stderr, Arc::clone(&words)));
        }
        Ok(Self { id, running: Mutex::new(running), is_over: Cell::new(false), socket, limits, words })
    }

    /// Kills it, with the processes that it has started and that have stayed in its group.
    pub(crate) async fn kill(self) -> io::Result<()> {
        self.kill_group();
        self.end().await.map(|_| ())
    }

    fn kill_group(&self) {
        if !self.is_over.get() {
            // All of its processes may have ended already.
            let _ = killpg(Pid::from_raw(self.id.cast_signed()), Signal::SIGKILL);
        }
    }

    /// Waits for its end, and kills the processes that it leaves behind.
    async fn end(&self) -> io::Result<ExitStatus> {
        let status = self.running.lock().await.wait().await;
        self.kill_group();
        self.is_over.set(true);
        status
    }

    async fn death(&self) -> Cause {
        let status = self.end().await;
        let _ = tokio::time::timeout(WORDS_TIMEOUT, self.words.ended.notified()).await;
        self.words.ended.notify_one();
        match status {
            Ok(status) => cause_of_death(status, &self.words.text(), self.limits),
            Err(error) => Cause::Internal(format!("the end of the process is not known: {error}")),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
    }
}

#[async_trait(?Send)]
impl Called for Child {
    async fn connect(&self) -> Result<Connection, Cause> {
        let connecting = Connection::accept(&self.socket, |process| process == self.id, self.limits);
        tokio::select! {
            biased;
            connected = connecting => connected,
            cause = self.death() => Err(cause),
        }
    }

    async fn cause_of_death(&self) -> Option<Cause> {
        tokio::time::timeout(DEATH_TIMEOUT, self.death()).await.ok()
    }
}

impl Words {
    fn keep(&self, written: &[u8]) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(written);
        let surplus = bytes.len().saturating_sub(WORDS_BYTES);
        bytes.drain(..surplus);
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

/// Reads to the end, so that a process that writes little never waits for room.
async fn listen(mut stderr: ChildStderr, words: Arc<Words>) {
    let mut buffer = [0; WORDS_BYTES];
    while let Ok(len @ 1..) = stderr.read(&mut buffer).await {
        words.keep(&buffer[..len]);
        tokio::time::sleep(READ_PAUSE).await;
    }
    words.ended.notify_one();
}

fn command(
    server: &Server,
    environment: Vec<(OsString, OsString)>,
    more_arguments: &[String],
    limits: Limits,
    cpu: Option<usize>,
) -> Command {
    let mut command = std::process::Command::new(&server.program);
    command.args(&server.arguments).args(more_arguments).env_clear().envs(environment).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    if nix::unistd::geteuid().is_root() {
        let (user, group) = session::user();
        command.uid(user).gid(group);
    }
    let bytes = limits.memory_bytes.saturating_add(server.extra_bytes);
    let host = nix::unistd::getpid();
    // SAFETY: between fork and exec the closure only makes system calls: it takes no lock and no memory.
    unsafe { command.pre_exec(move || confine(bytes, cpu, host)) };
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command
}

/// The little that confines a plain process.
fn confine(bytes: u64, cpu: Option<usize>, host: Pid) -> io::Result<()> {
    setrlimit(Resource::RLIMIT_DATA, bytes, bytes)?;
    // A core dump takes longer than the rest of a crash.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_no_new_privs()?;
    let mut cpus = CpuSet::new();
    match cpu {
        Some(cpu) => cpus.set(cpu)?,
        // The host may be kept on one processor. The engine of a container would choose from all.
        None => (0..CpuSet::count()).try_for_each(|cpu| cpus.set(cpu))?,
    }
    sched_setaffinity(Pid::from_raw(0), &cpus)?;
    // The thread that starts an instance stays as long as the instance.
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // It may be gone already.
    if getppid() == host { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) }
}

async fn spawn(command: &mut Command) -> io::Result<Running> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_RETRIES => {
                tries += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            spawned => return spawned,
        }
    }
}

/// At a memory limit the kernel ends a process with SIGKILL only if the whole host has no memory left.
fn cause_of_death(status: ExitStatus, written: &str, limits: Limits) -> Cause {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("signal {}", signal.as_str()),
            Err(_) => format!("signal {signal}"),
        },
        (None, None) => "an unknown end".to_owned(),
    };
    death::cause(&how, status.signal() == Some(Signal::SIGKILL as i32), written, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_death_is_found_in_status_and_words() {
        let limits = Limits { memory_bytes: 7, ..Limits::default() };
        let died = |status: i32, written: &str| cause_of_death(ExitStatus::from_raw(status), written, limits);
        assert_eq!(died(9, ""), Cause::OutOfMemory(7));
        assert_eq!(died(6, "memory allocation of 80 bytes failed"), Cause::OutOfMemory(7));
        assert_eq!(died(11, ""), Cause::Crashed("signal SIGSEGV, and nothing on stderr".into()));
        assert_eq!(died(3 << 8, "bye"), Cause::Crashed("exit code 3: bye".into()));
    }
}
