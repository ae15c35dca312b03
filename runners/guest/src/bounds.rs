//! The bounds of a process that runs as a child of this one: its user, its memory, its processor, its end.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use crate::session;

/// Has a command run as nobody where the lab runs as root. It cannot gain privileges, and ends with the thread that
/// starts it. It may allocate this number of bytes, and use this processor; without a number it is not bound.
pub fn set(command: &mut Command, bytes: Option<u64>, cpu: Option<usize>) {
    if nix::unistd::geteuid().is_root() {
        let (user, group) = session::user();
        command.uid(user).gid(group);
    }
    let host = nix::unistd::getpid();
    // SAFETY: between fork and exec the closure only makes system calls: it takes no lock and no memory.
    unsafe { command.pre_exec(move || enter(bytes, cpu, host)) };
}

/// Has the kernel refuse every byte that the command's process would write to a file. Sockets and pipes take them.
pub fn refuse_files(command: &mut Command) {
    // SAFETY: between fork and exec the closure only makes a system call.
    unsafe { command.pre_exec(|| Ok(setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?)) };
}

fn enter(bytes: Option<u64>, cpu: Option<usize>, host: Pid) -> io::Result<()> {
    bytes.map_or(Ok(()), |bytes| setrlimit(Resource::RLIMIT_DATA, bytes, bytes))?;
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
