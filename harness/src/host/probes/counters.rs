//! The processor's counters: instructions and other events of a process, in user space and in the
//! kernel. A count does not drift with the host's speed, and a neighbour does not appear in it.

use std::io;

use perf_event::events::{Event, Hardware};
use perf_event::{Builder, Counter};
use procfs::process::Process;

/// The events that are counted: the name in rows, without `_count`, and the event.
pub const EVENTS: [(&str, Hardware); 4] = [
    ("instructions", Hardware::INSTRUCTIONS),
    ("cycles", Hardware::CPU_CYCLES),
    ("branches", Hardware::BRANCH_INSTRUCTIONS),
    ("cache_misses", Hardware::CACHE_MISSES),
];

/// The reason why a process cannot be counted, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// Counts of one process since it was opened, by the event's name.
pub type Counts = Vec<(&'static str, u64)>;

/// The counters of one process and of all threads that it starts later.
pub struct ProcessCounters {
    /// Each thread has a counter of its own for each event.
    counters: Vec<(&'static str, Vec<Counter>)>,
}

impl ProcessCounters {
    /// Counts a process from now on. Events that the processor does not have are left out.
    ///
    /// # Errors
    /// If instructions cannot be counted.
    pub fn open(pid: u32) -> Result<Self, Refused> {
        let mut counters = Vec::new();
        for (name, event) in EVENTS {
            match open(pid, &event) {
                Ok(threads) => counters.push((name, threads)),
                Err(error) if counters.is_empty() => return Err(refused(&error, paranoid())),
                Err(_) => {}
            }
        }
        Ok(Self { counters })
    }

    /// The counts until now.
    ///
    /// # Errors
    /// If a counter cannot be read, or if the processor had too few counters and counted only a
    /// part of the time.
    pub fn read(&mut self) -> Result<Counts, Refused> {
        let read = |(name, threads): &mut (&'static str, Vec<Counter>)| Ok((*name, sum(threads)?));
        self.counters.iter_mut().map(read).collect()
    }
}

/// The names of the events that this machine counts.
///
/// # Errors
/// If it does not count instructions.
pub fn available() -> Result<Vec<&'static str>, Refused> {
    let counters = ProcessCounters::open(std::process::id())?;
    Ok(counters.counters.iter().map(|(name, _)| *name).collect())
}

/// A counter for each thread of a process. Threads that one of them starts later are counted with
/// it.
fn open<E: Event + Clone>(pid: u32, event: &E) -> io::Result<Vec<Counter>> {
    let process = Process::new(pid.cast_signed()).map_err(io::Error::other)?;
    let tasks = process.tasks().map_err(io::Error::other)?.flatten();
    let open = |task: procfs::process::Task| {
        let mut builder = Builder::new(event.clone());
        builder.observe_pid(task.tid).any_cpu().include_kernel().inherit(true).enabled(true);
        builder.build()
    };
    tasks.map(open).collect()
}

fn sum(threads: &mut [Counter]) -> Result<u64, Refused> {
    let mut sum = 0;
    for counter in threads {
        let read = counter.read_count_and_time();
        let read = read.map_err(|error| Refused(format!("a counter cannot be read: {error}")))?;
        if read.time_running < read.time_enabled {
            let reason = "the processor has too few counters for all events at once: end other users of its \
                          counters, such as `perf`";
            return Err(Refused(reason.into()));
        }
        sum += read.count;
    }
    Ok(sum)
}

/// The kernel's bound on what may be counted.
fn paranoid() -> Option<i32> {
    std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
}

/// An error of the kernel in words, with what to do.
fn refused(error: &io::Error, paranoid: Option<i32>) -> Refused {
    let level = paranoid.map_or_else(|| "not shown".into(), |level| level.to_string());
    let no_hardware = format!(
        "this machine has no hardware counters ({error}): a hypervisor hides them. Use a machine with a \
         (virtual) PMU, or `--callgrind`"
    );
    Refused(match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "the kernel refuses to count ({error}; kernel.perf_event_paranoid is {level}): run `sysctl \
             kernel.perf_event_paranoid=1`, or grant CAP_PERFMON; in a container, its seccomp profile must \
             allow perf_event_open. Or use `--callgrind`"
        ),
        io::ErrorKind::NotFound | io::ErrorKind::Unsupported => no_hardware,
        _ if error.raw_os_error() == Some(nix::errno::Errno::ENODEV as i32) => no_hardware,
        _ => format!("the kernel does not count: {error}. Use `--callgrind`"),
    })
}

#[cfg(test)]
mod tests {
    use perf_event::events::Software;

    use super::*;

    /// The kernel's own events go the same way, and every machine has them.
    #[test]
    fn events_of_all_threads_are_counted() {
        let mut threads = match open(std::process::id(), &Software::PAGE_FAULTS) {
            Ok(threads) => threads,
            Err(error) => {
                eprintln!("skipped: {}", refused(&error, paranoid()));
                return;
            }
        };
        let before = sum(&mut threads).unwrap();
        // A page of memory that is touched for the first time is a fault.
        std::thread::spawn(|| drop(std::hint::black_box(vec![1_u8; 16 << 20]))).join().unwrap();
        let counted = sum(&mut threads).unwrap() - before;
        assert!(counted >= 1, "{counted} faults");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let of = |errno: nix::errno::Errno| refused(&io::Error::from(errno), Some(3)).to_string();
        assert!(of(nix::errno::Errno::EACCES).contains("kernel.perf_event_paranoid is 3"));
        for errno in [nix::errno::Errno::ENOENT, nix::errno::Errno::EOPNOTSUPP, nix::errno::Errno::ENODEV] {
            assert!(of(errno).contains("no hardware counters"), "{}", of(errno));
        }
        assert!(of(nix::errno::Errno::ENOSYS).contains("--callgrind"));
    }

    #[test]
    fn this_machine_counts_or_says_why_not() {
        match available() {
            Ok(names) => assert_eq!(names.first(), Some(&"instructions")),
            Err(refused) => assert!(refused.to_string().contains("--callgrind"), "{refused}"),
        }
    }
}
