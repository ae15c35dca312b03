//! The host's side of a zygote: a process that forks the servers of one function.
//!
//! A thread of its own starts the zygote and waits until it is dropped: the kernel ends a zygote, and every server that
//! it has forked, with the thread that they belong to.

use std::ffi::OsString;
use std::io::{self, IoSlice, Read as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use isolab_core::Cause;
use isolab_sdk::server::zygote::{Order, READY, VARIABLE};
pub use isolab_sdk::server::zygote::{Role, STACK_BYTES};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, setsockopt, socketpair,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::busy;
use crate::forked::Forked;

/// How long a zygote may take to make its function ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of its last words an error has.
const WORDS_BYTES: u64 = 4096;

/// A zygote that takes orders. The zygote and its servers end when it is dropped.
#[derive(Debug)]
pub struct Zygote {
    control: OwnedFd,
    /// Closed when this is dropped.
    _life: mpsc::Sender<()>,
}

/// A zygote that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended;

impl Zygote {
    /// Runs the command of a server as a zygote, and waits until it takes orders. `at_end` runs when it has ended.
    ///
    /// # Errors
    /// If it cannot be run, or ends before.
    pub async fn start(command: Command, at_end: impl FnOnce() + Send + 'static) -> Result<Self, Cause> {
        let failed = |error: io::Error| Cause::Internal(format!("no zygote can be started: {error}"));
        let flags = SockFlag::SOCK_CLOEXEC;
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
        let (control, theirs) = pair.map_err(|error| failed(error.into()))?;
        let listening = control.try_clone().map_err(failed)?;
        let (life, ended) = mpsc::channel();
        let (told, is_ready) = oneshot::channel();
        let keep = move || {
            match run(command, &listening, theirs) {
                Ok(child) => {
                    let _ = told.send(Ok(()));
                    // Nobody sends: this waits until the other side is dropped.
                    let _ = ended.recv();
                    end(child);
                }
                Err(cause) => drop(told.send(Err(cause))),
            }
            at_end();
        };
        thread::Builder::new().name("zygote".into()).spawn(keep).map_err(failed)?;
        is_ready.await.map_err(|_| Cause::Internal("the thread of a zygote has ended".into()))??;
        Ok(Self { control, _life: life })
    }

    /// Has it fork a server with more environment variables, which steps behind the line of these descriptors.
    /// Answers the process with its stderr.
    ///
    /// # Errors
    /// [`Ended`] if the zygote has ended.
    pub async fn fork(
        &self,
        variables: Vec<(OsString, OsString)>,
        line: &[(Role, BorrowedFd<'_>)],
    ) -> io::Result<Result<(Forked, pipe::Receiver), Ended>> {
        let (answer, mut answered) = pipe::pipe()?;
        let (words, stderr) = pipe::pipe()?;
        let (answer, words) = (answer.into_blocking_fd()?, words.into_blocking_fd()?);
        let mut given = vec![(Role::Answer, answer.as_fd()), (Role::Stderr, words.as_fd())];
        given.extend_from_slice(line);
        if !self.send(variables, &given)? {
            return Ok(Err(Ended));
        }
        drop((answer, words));
        match answered.read_i32_le().await {
            Ok(id) => Ok(Ok((Forked::new(Pid::from_raw(id))?, stderr))),
            // The zygote has closed its end without an answer.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(Ended)),
            Err(error) => Err(error),
        }
    }

    /// Sends an order. Answers whether the zygote is there to take it.
    fn send(
        &self,
        variables: Vec<(OsString, OsString)>,
        given: &[(Role, BorrowedFd<'_>)],
    ) -> io::Result<bool> {
        let order = Order { roles: given.iter().map(|(role, _)| *role).collect(), variables };
        let descriptors: Vec<_> = given.iter().map(|(_, descriptor)| descriptor.as_raw_fd()).collect();
        let sent = sendmsg::<()>(
            self.control.as_raw_fd(),
            &[IoSlice::new(&order.to_bytes())],
            &[ControlMessage::ScmRights(&descriptors)],
            // A zygote that takes no orders does not hold this thread.
            MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
            None,
        );
        match sent {
            Ok(_) => Ok(true),
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Runs the zygote until it takes orders.
fn run(mut command: Command, control: &OwnedFd, theirs: OwnedFd) -> Result<Child, Cause> {
    let program = command.get_program().to_owned();
    command.env(VARIABLE, "1").stdin(theirs).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = busy::spawn_blocking(&mut command)
        .map_err(|error| Cause::Internal(format!("{} cannot be run: {error}", program.display())))?;
    // The command holds the zygote's end of the socket.
    drop(command);
    let ready = until_ready(control);
    let stderr = child.stderr.take();
    let Err(cause) = ready else { return Ok(child) };
    end(child);
    let mut words = String::new();
    let _ = stderr.map(|stderr| stderr.take(WORDS_BYTES).read_to_string(&mut words));
    Err(match cause {
        Cause::Crashed(reason) => Cause::Crashed(format!("{reason}: {}", words.trim())),
        cause => cause,
    })
}

fn until_ready(control: &OwnedFd) -> Result<(), Cause> {
    let patience = TimeVal::milliseconds(READY_TIMEOUT.as_millis().try_into().unwrap_or(i64::MAX));
    let mut message = [0; READY.len()];
    let received = setsockopt(control, sockopt::ReceiveTimeout, &patience)
        .and_then(|()| recv(control.as_raw_fd(), &mut message, MsgFlags::empty()));
    match received {
        Ok(len) if &message[..len] == READY => Ok(()),
        Ok(_) | Err(Errno::ECONNRESET) => Err(Cause::Crashed("the zygote ended before it was ready".into())),
        Err(Errno::EAGAIN) => Err(Cause::DeadlineExceeded(READY_TIMEOUT)),
        Err(error) => Err(Cause::Internal(format!("the zygote was not ready: {error}"))),
    }
}

/// Kills a zygote with the processes that it has started. Its servers have groups of their own.
fn end(mut child: Child) {
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    let _ = child.wait();
}
