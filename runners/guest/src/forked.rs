//! A process that a zygote has forked for this one.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A child of this process that the standard library does not know. A child that was not waited for is killed by its
/// owner before it is dropped.
#[derive(Debug)]
pub struct Forked {
    id: Pid,
    /// Readable when it has ended (`pidfd_open(2)`).
    process: AsyncFd<OwnedFd>,
    status: Option<ExitStatus>,
}

impl Forked {
    /// Takes a child of this process that nobody has waited for.
    ///
    /// # Errors
    /// If the process does not exist.
    pub(crate) fn new(id: Pid) -> io::Result<Self> {
        // SAFETY: the call takes a number and flags. It makes the descriptor, which has no other owner.
        let process = unsafe {
            let descriptor = Errno::result(libc::syscall(libc::SYS_pidfd_open, id.as_raw(), 0))?;
            OwnedFd::from_raw_fd(descriptor.try_into().map_err(io::Error::other)?)
        };
        // SAFETY: nobody closes or replaces the descriptor before this registration is dropped.
        let process = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) }?;
        Ok(Self { id, process, status: None })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id.as_raw().cast_unsigned()
    }

    /// Waits for its end. Its number may belong to another process after that.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let _ended = self.process.readable().await?;
        self.reap()
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = match waitid(Id::PIDFd(self.process.get_ref().as_fd()), WaitPidFlag::WEXITED)? {
            WaitStatus::Exited(_, code) => ExitStatus::from_raw(code << 8),
            WaitStatus::Signaled(_, signal, _) => ExitStatus::from_raw(signal as i32),
            other => return Err(io::Error::other(format!("an unknown end: {other:?}"))),
        };
        self.status = Some(status);
        Ok(status)
    }
}

impl Drop for Forked {
    /// The kernel ends it soon: its owner has killed it.
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = nix::sys::signal::kill(self.id, Signal::SIGKILL);
            let _ = self.reap();
        }
    }
}
