//! A process that has a function ready, and forks a server of it for each order of its host.
//!
//! An order is one message over the socket that is the zygote's stdin. The new server begins with everything that the
//! zygote has made: also with its random numbers and addresses. It is a child of the host (`CLONE_PARENT`,
//! clone(2)), so that the host sees how it ends. It steps behind its line before it serves.

use std::io::{self, IoSliceMut, Write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, RecvMsg, recvmsg, send};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, getppid, setpgid};

pub use order::{Order, Role};

mod order;

/// The environment variable that makes a server a zygote.
pub const VARIABLE: &str = "ISOLAB_ZYGOTE";

/// The message of a zygote that takes orders.
pub const READY: &[u8] = b"ready";

/// The longest message, and the most descriptors in it.
pub const MESSAGE_BYTES: usize = 16 << 10;
const DESCRIPTORS: usize = 8;

/// The stack of a server's main thread: as large as that of a process that the kernel starts, with a guard below it.
/// It counts as data.
pub const STACK_BYTES: usize = 8 << 20;
const GUARD_BYTES: usize = 64 << 10;

/// Whether the host wants a zygote.
pub(super) fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Forks servers until the host is gone.
pub(super) fn run(serve: &dyn Fn() -> ExitCode) -> ExitCode {
    match Zygote::new(serve).and_then(|mut zygote| zygote.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the zygote ends: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Zygote<'a> {
    serve: &'a dyn Fn() -> ExitCode,
    host: Pid,
    stack: &'static mut [u8],
}

/// An order with its descriptors.
struct Received {
    order: Order,
    descriptors: Vec<OwnedFd>,
}

impl<'a> Zygote<'a> {
    fn new(serve: &'a dyn Fn() -> ExitCode) -> io::Result<Self> {
        Ok(Self { serve, host: getppid(), stack: stack()? })
    }

    fn run(&mut self) -> io::Result<()> {
        send(control().as_raw_fd(), READY, MsgFlags::MSG_NOSIGNAL)?;
        while let Some(received) = receive()? {
            let child = self.fork(&received)?;
            // The host may have given up.
            let _ = received.descriptor(Role::Answer).map(|pipe| write(pipe, &child.as_raw().to_le_bytes()));
        }
        Ok(())
    }

    fn fork(&mut self, received: &Received) -> io::Result<Pid> {
        let (serve, host) = (self.serve, self.host);
        let child = Box::new(move || -> isize {
            match received.enter(host) {
                // Nothing of the zygote is left to return to.
                Ok(()) => std::process::exit(i32::from(serve() != ExitCode::SUCCESS)),
                Err(error) => {
                    eprintln!("the forked server cannot begin: {error}");
                    std::process::exit(1)
                }
            }
        });
        // SAFETY: the zygote has one thread, and the stack is used by nobody else: the child has a copy of both.
        // musl makes the child's thread consistent, as after fork(2).
        Ok(unsafe { clone(child, self.stack, CloneFlags::CLONE_PARENT, Some(Signal::SIGCHLD as i32)) }?)
    }
}

impl Received {
    fn descriptor(&self, role: Role) -> Option<BorrowedFd<'_>> {
        self.all(role).next()
    }

    fn all(&self, role: Role) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pairs = self.order.roles.iter().zip(&self.descriptors);
        pairs.filter(move |(it, _)| **it == role).map(|(_, descriptor)| descriptor.as_fd())
    }

    /// Makes the forked process the server of the order.
    fn enter(&self, host: Pid) -> io::Result<()> {
        if let Some(stderr) = self.descriptor(Role::Stderr) {
            dup2_stderr(stderr)?;
        }
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // It may be gone already.
        if getppid() != host {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.all(Role::Group).try_for_each(|group| write(group, b"0"))?;
        self.all(Role::Rules).try_for_each(restrict)?;
        // The orders of others. Stdout is the null device.
        dup2_stdin(io::stdout())?;
        for (name, value) in &self.order.variables {
            // SAFETY: this process has one thread.
            unsafe { std::env::set_var(name, value) };
        }
        Ok(())
    }
}

fn control() -> BorrowedFd<'static> {
    // SAFETY: stdin stays open as long as the process.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// The next order; `None` if the host is gone.
fn receive() -> io::Result<Option<Received>> {
    let mut bytes = vec![0; MESSAGE_BYTES];
    let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received =
        recvmsg::<()>(control().as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
    let received = match received {
        Err(Errno::ECONNRESET) => return Ok(None),
        received => received?,
    };
    let (len, descriptors) = (received.bytes, descriptors(&received)?);
    if len == 0 {
        return Ok(None);
    }
    let order = Order::from_bytes(&bytes[..len]).filter(|order| order.roles.len() == descriptors.len());
    let order = order.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the host sent no order"))?;
    Ok(Some(Received { order, descriptors }))
}

fn descriptors(received: &RecvMsg<'_, '_, ()>) -> io::Result<Vec<OwnedFd>> {
    let rights = received.cmsgs()?.filter_map(|message| match message {
        ControlMessageOwned::ScmRights(rights) => Some(rights),
        _ => None,
    });
    // SAFETY: the kernel has just made these descriptors for this process.
    Ok(rights.flatten().map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }).collect())
}

fn write(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    std::fs::File::from(descriptor.try_clone_to_owned()?).write_all(bytes)
}

/// Steps behind a Landlock ruleset (`landlock_restrict_self`, landlock(7)). The system call has no wrapper in `nix`.
fn restrict(rules: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes a descriptor and flags, and no pointer.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    Errno::result(result).map(drop).map_err(io::Error::from)
}

/// Memory that nothing else uses, above pages that cannot be touched.
fn stack() -> io::Result<&'static mut [u8]> {
    let len = NonZeroUsize::new(GUARD_BYTES + STACK_BYTES).expect("the sum is positive");
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK | MapFlags::MAP_NORESERVE;
    // SAFETY: the kernel chooses the address, so that nothing is mapped over.
    let base: NonNull<u8> =
        unsafe { mmap_anonymous(None, len, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags) }?.cast();
    // SAFETY: the pages are those at the beginning of the mapping above, which is never unmapped.
    unsafe {
        mprotect(base.cast(), GUARD_BYTES, ProtFlags::PROT_NONE)?;
        Ok(std::slice::from_raw_parts_mut(base.add(GUARD_BYTES).as_ptr(), STACK_BYTES))
    }
}
