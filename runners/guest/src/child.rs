//! A server that runs as a child of this process: how it is started or adopted, how it is killed, and why it died.

use std::cell::Cell;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use isolab_core::{Cause, Limits};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::{Mutex, Notify};

use crate::busy;
use crate::caller::Server;
use crate::connection::Connection;
use crate::death;
use crate::forked::Forked;
use crate::meeting::Meeting;

/// How long a server may take to die after it has closed its connection, or was killed.
const DEATH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long its last words may take to arrive. A process that it has started may hold its stderr open.
const WORDS_TIMEOUT: Duration = Duration::from_millis(100);
/// How much of the end of its stderr is kept, and read at once.
const WORDS_BYTES: usize = 4096;
/// Between two reads. A process that writes without end would otherwise keep its host's thread busy.
const READ_PAUSE: Duration = Duration::from_millis(1);

/// The surroundings of a child: the processes in them, and the things that outlive it.
#[async_trait(?Send)]
pub trait Surroundings {
    /// Whether a process is the server. `child` is the process that this one has started.
    fn includes(&self, child: u32, process: u32) -> bool {
        process == child
    }

    /// The end of the server, by the end of the child.
    fn status(&self, status: ExitStatus) -> ExitStatus {
        status
    }

    /// Kills the processes that the child's process group does not hold.
    fn kill(&self) {}

    /// Whether the child ends by itself after that, and clears up.
    fn has_keeper(&self) -> bool {
        false
    }

    /// Removes what is left when the child has ended.
    async fn remove(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A server with the socket at which it meets the host. It is killed when it is dropped.
pub struct Child<S: Surroundings> {
    id: u32,
    surroundings: S,
    running: Mutex<Running>,
    /// Whether it has ended, and its group was killed. Its number may belong to another process then.
    is_over: Cell<bool>,
    meeting: Meeting,
    limits: Limits,
    words: Arc<Words>,
}

/// A process that this one waits for.
enum Running {
    /// One that this process has started.
    Spawned(tokio::process::Child),
    Forked(Forked),
}

impl Running {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Spawned(child) => child.wait().await,
            Self::Forked(child) => child.wait().await,
        }
    }
}

/// The end of what a child has written to stderr.
#[derive(Default)]
struct Words {
    bytes: StdMutex<Vec<u8>>,
    /// Notified at the end.
    ended: Notify,
}

impl<S: Surroundings> Child<S> {
    /// Runs a command, in a process group of its own. Its server will connect to a socket of the host, or listen at
    /// one of its own.
    ///
    /// # Errors
    /// [`Cause::Internal`] if it cannot be run.
    pub async fn spawn(
        mut command: StdCommand,
        surroundings: S,
        socket: impl Into<Meeting>,
        limits: Limits,
    ) -> Result<Self, Cause> {
        let program = command.get_program().to_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        let mut running = busy::spawn(&mut command).await.map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::PermissionDenied => "; set TMPDIR to a folder that every user may enter",
                _ => "",
            };
            Cause::Internal(format!("{} cannot be run: {error}{advice}", program.display()))
        })?;
        let id = running.id().ok_or_else(|| Cause::Internal("the process has no id".into()))?;
        let stderr = running.stderr.take().expect("stderr is piped");
        Ok(Self::new((id, Running::Spawned(running)), stderr, surroundings, socket.into(), limits))
    }

    /// Takes a process that a zygote has forked, in a process group of its own. Its server will connect to `socket`.
    pub fn adopt(
        forked: Forked,
        stderr: pipe::Receiver,
        surroundings: S,
        socket: impl Into<Meeting>,
        limits: Limits,
    ) -> Self {
        Self::new((forked.id(), Running::Forked(forked)), stderr, surroundings, socket.into(), limits)
    }

    fn new(
        (id, running): (u32, Running),
        stderr: impl AsyncRead + Send + Unpin + 'static,
        surroundings: S,
        meeting: Meeting,
        limits: Limits,
    ) -> Self {
        let words = Arc::<Words>::default();
        tokio::spawn(listen(stderr, Arc::clone(&words)));
        let (running, is_over) = (Mutex::new(running), Cell::new(false));
        Self { id, surroundings, running, is_over, meeting, limits, words }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its surroundings.
    pub fn surroundings(&self) -> &S {
        &self.surroundings
    }

    /// Kills it, with the processes that it has started.
    ///
    /// # Errors
    /// If it does not end, or if something of it cannot be removed.
    pub async fn kill(self) -> io::Result<()> {
        self.surroundings.kill();
        let is_cleared =
            self.surroundings.has_keeper() && tokio::time::timeout(DEATH_TIMEOUT, self.end()).await.is_ok();
        if !is_cleared {
            self.kill_group();
            self.end().await?;
        }
        self.surroundings.remove().await
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
        self.surroundings.kill();
        status
    }

    async fn death(&self) -> Cause {
        let status = self.end().await;
        let _ = tokio::time::timeout(WORDS_TIMEOUT, self.words.ended.notified()).await;
        self.words.ended.notify_one();
        match status {
            Ok(status) => cause_of_death(self.surroundings.status(status), &self.words.text(), self.limits),
            Err(error) => Cause::Internal(format!("the end of the process is not known: {error}")),
        }
    }
}

impl<S: Surroundings> Drop for Child<S> {
    fn drop(&mut self) {
        self.surroundings.kill();
        self.kill_group();
    }
}

#[async_trait(?Send)]
impl<S: Surroundings> Server for Child<S> {
    async fn connect(&self) -> Result<Connection, Cause> {
        let is_guest = |process| self.surroundings.includes(self.id, process);
        tokio::select! {
            biased;
            connected = self.meeting.connect(is_guest) => Connection::over(connected?, self.limits),
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
async fn listen(mut stderr: impl AsyncRead + Unpin, words: Arc<Words>) {
    let mut buffer = [0; WORDS_BYTES];
    while let Ok(len @ 1..) = stderr.read(&mut buffer).await {
        words.keep(&buffer[..len]);
        tokio::time::sleep(READ_PAUSE).await;
    }
    words.ended.notify_one();
}

/// A shell's exit code for a program that a signal has ended is this number and the signal's.
pub const SIGNALLED: i32 = 128;

/// The end of a server by that of a process that has waited for it, and ends as a shell would.
pub fn status_of_waited(status: ExitStatus) -> ExitStatus {
    match status.code() {
        Some(code) if code > SIGNALLED => ExitStatus::from_raw(code - SIGNALLED),
        _ => status,
    }
}

/// At a memory limit the kernel ends a server with SIGKILL, which nobody else sends before it is stopped.
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

    #[test]
    fn a_process_that_has_waited_ends_with_the_signal_of_the_other() {
        let of = |code: i32| status_of_waited(ExitStatus::from_raw(code << 8));
        assert_eq!((of(139).signal(), of(3).code(), of(128).code()), (Some(11), Some(3), Some(128)));
    }
}
