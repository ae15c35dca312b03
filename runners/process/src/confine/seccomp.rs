//! A filter of system calls (seccomp(2)): those that a server needs, and no others.
//!
//! The filter sees numbers, and no paths. So a process reads every file that its user may read, and opens none
//! for writing. It has Unix sockets and no network. It starts threads and no processes, and sends no signals.

use std::io;

use libc::{
    AF_UNIX, CLONE_THREAD, FIONBIO, FIONREAD, O_ACCMODE, O_CREAT, O_TMPFILE, O_TRUNC, PR_SET_NAME, TCGETS,
    c_long,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Two programs of the kernel, which takes the stricter of their answers.
pub(crate) struct Filter {
    allowed: BpfProgram,
    /// Answers `clone3` as an older kernel does, whose arguments no filter can see. C libraries then call `clone`.
    without_clone3: BpfProgram,
}

/// Calls that are allowed with any arguments.
const ALWAYS: &[c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munlock,
    libc::SYS_munmap,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    // Reading, and writing to what is open.
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_pipe2,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_write,
    libc::SYS_writev,
    // Sockets that are there.
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // Waiting, and clocks.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // Threads, and the process itself. It becomes its server by `execve`.
    libc::SYS_capget,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_membarrier,
    libc::SYS_prlimit64,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_umask,
    libc::SYS_uname,
];

/// Calls that newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_lstat,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
];

#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[c_long] = &[];

/// The flags of a file that is opened for more than reading.
const NOT_ONLY_READING: u64 = (O_ACCMODE | O_CREAT | O_TRUNC | O_TMPFILE & !libc::O_DIRECTORY) as u64;
/// Names a mapping: Node does this (`PR_SET_VMA`, prctl(2)).
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Makes the filter.
///
/// # Errors
/// If there is none for this architecture.
pub(crate) fn filter() -> Result<Filter, String> {
    make().map_err(|error| format!("no filter of system calls can be made: {error}"))
}

fn make() -> Result<Filter, BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let condition = |argument, comparison, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    let equal = |argument, value| condition(argument, SeccompCmpOp::Eq, value);
    let read_only = |flags| condition(flags, SeccompCmpOp::MaskedEq(NOT_ONLY_READING), 0);
    let thread = CLONE_THREAD as u64;

    let always = ALWAYS.iter().chain(ALWAYS_HERE).map(|call| (*call, Vec::new()));
    let sometimes = [
        (libc::SYS_openat, vec![read_only(2)?]),
        (libc::SYS_socket, vec![equal(0, AF_UNIX as u64)?]),
        (libc::SYS_socketpair, vec![equal(0, AF_UNIX as u64)?]),
        (libc::SYS_clone, vec![condition(0, SeccompCmpOp::MaskedEq(thread), thread)?]),
        (
            libc::SYS_ioctl,
            [FIONBIO, FIONREAD, TCGETS].into_iter().map(|it| equal(1, it)).collect::<Result<_, _>>()?,
        ),
        (libc::SYS_prctl, vec![equal(0, PR_SET_NAME as u64)?, equal(0, PR_SET_VMA)?]),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, vec![read_only(1)?]),
    ];
    let allowed = SeccompFilter::new(
        always.chain(sometimes).collect(),
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        arch,
    )?;
    let without_clone3 = SeccompFilter::new(
        [(libc::SYS_clone3, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        arch,
    )?;
    Ok(Filter { allowed: allowed.try_into()?, without_clone3: without_clone3.try_into()? })
}

/// Puts the calling thread behind the filter.
pub(crate) fn enter(filter: &Filter) -> io::Result<()> {
    // The second call of `seccomp` is made before the filter that refuses it.
    for program in [&filter.without_clone3, &filter.allowed] {
        seccompiler::apply_filter(program).map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))?;
    }
    Ok(())
}
