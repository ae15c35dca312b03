//! The processor that a thread gets: how it gives way to others, and what it had of late.

use std::fs;
use std::io;
use std::time::Duration;

use nix::libc;
use nix::unistd::Pid;

/// Has a thread compute only while its processor has nothing else to do (`SCHED_IDLE`, sched(7)), so that a
/// worker that wakes up gets the processor at once. A nice thread keeps its turn to the next tick of the clock: one
/// answer in a hundred beside it was 4 ms late, with `nice` 10 and 19 alike. A worker that never sleeps leaves it
/// a third of a percent of the time.
pub(crate) fn give_way(thread: Pid) {
    // Every thread may enter this policy.
    let _ = set_policy(thread, libc::SCHED_IDLE);
}

/// Has a thread that gave way take turns with all others again.
///
/// # Errors
/// If this process may not: the kernel asks for `CAP_SYS_NICE` (sched(7)).
pub(crate) fn take_turns(thread: Pid) -> io::Result<()> {
    set_policy(thread, libc::SCHED_OTHER)
}

fn set_policy(thread: Pid, policy: libc::c_int) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the pointer is to a value that lives until the call returns.
    match unsafe { libc::sched_setscheduler(thread.as_raw(), policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The state of a thread at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// The time that it has computed since it began.
    pub(crate) computed: Duration,
    /// Whether it would compute, be it that it does or that it waits for a processor.
    pub(crate) is_runnable: bool,
}

impl Share {
    /// Reads it of a thread of this process; `None` if the thread has ended.
    pub(crate) fn of(thread: Pid) -> Option<Self> {
        let read = |file| fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
        // The first field of both, and of `stat` the one behind the name in brackets (proc_pid_stat(5)).
        let computed = read("schedstat").ok()?.split(' ').next()?.parse().ok()?;
        let is_runnable = read("stat").ok()?.rsplit_once(") ")?.1.starts_with('R');
        Some(Self { computed: Duration::from_nanos(computed), is_runnable })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use nix::unistd::gettid;

    use super::*;

    #[test]
    fn a_thread_that_computes_is_told_from_one_that_waits() {
        let before = Share::of(gettid()).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(20) {}
        let after = Share::of(gettid()).unwrap();
        assert!(after.is_runnable && after.computed > before.computed, "{before:?} {after:?}");

        let (tell, told) = channel();
        let (release, released) = channel::<()>();
        let waiting = std::thread::spawn(move || {
            tell.send(gettid()).unwrap();
            let _ = released.recv();
        });
        let thread = told.recv().unwrap();
        while Share::of(thread).unwrap().is_runnable {}
        drop(release);
        waiting.join().unwrap();
        assert!(Share::of(Pid::from_raw(i32::MAX)).is_none());
    }
}
