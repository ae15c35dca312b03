//! Memory and CPU time of one process.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use procfs::process::{Process, Task};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// Its private pages and its share of shared pages. A sum over processes therefore counts
    /// every page once.
    pub pss_bytes: u64,
    /// All its pages, also those that it shares. A sum over processes counts a shared page as
    /// often as it is mapped, so it does not tell a cost. Other texts report it.
    pub resident_bytes: u64,
    /// Pages that no other process shares: they would be freed if it ended.
    pub private_bytes: u64,
    /// Page tables, which the kernel keeps for the process and no set size counts: `VmPTE` of
    /// `/proc/PID/status` (proc(5)).
    pub page_tables_bytes: u64,
}

impl Resident {
    /// Everything that the host holds for the process, every page once.
    pub fn held_bytes(&self) -> u64 {
        self.pss_bytes + self.page_tables_bytes
    }
}

/// The memory of a process now.
pub fn resident(pid: u32) -> Result<Resident> {
    let (rollup, status) = Process::new(pid.cast_signed())
        .and_then(|process| Ok((process.smaps_rollup()?, process.status()?)))
        .with_context(|| format!("cannot read the memory of process {pid}"))?;
    let maps = rollup.memory_map_rollup;
    let field = |name: &str| {
        let found = maps.iter().find_map(|map| map.extension.map.get(name)).copied();
        found.with_context(|| {
            format!("/proc/{pid}/smaps_rollup has no `{name}`; the kernel must be 4.14 or newer")
        })
    };
    let page_tables_kib =
        status.vmpte.with_context(|| format!("/proc/{pid}/status has no `VmPTE`: the process has ended"))?;
    Ok(Resident {
        pss_bytes: field("Pss")?,
        resident_bytes: field("Rss")?,
        private_bytes: field("Private_Clean")? + field("Private_Dirty")?,
        page_tables_bytes: page_tables_kib * 1024,
    })
}

/// Things of a process that are not memory, and of which a host has not any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handles {
    /// Addresses that are mapped or kept free: `VmSize` of `/proc/PID/status` (proc(5)).
    pub addresses_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
}

impl Handles {
    /// Those of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            addresses_bytes: self.addresses_bytes + other.addresses_bytes,
            descriptors: self.descriptors + other.descriptors,
            threads: self.threads + other.threads,
        }
    }
}

/// The handles of a process now.
pub fn handles(pid: u32) -> Result<Handles> {
    let read = || -> procfs::ProcResult<Handles> {
        let process = Process::new(pid.cast_signed())?;
        let status = process.status()?;
        Ok(Handles {
            addresses_bytes: status.vmsize.unwrap_or_default() * 1024,
            descriptors: process.fd_count()? as u64,
            threads: status.threads,
        })
    };
    read().with_context(|| format!("cannot read the handles of process {pid}"))
}

/// The kernel's bound on the mappings of a process (proc(5)), if this process has used up most of it.
pub fn mappings_bound(pid: u32) -> Option<u64> {
    let bound = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()?;
    let mappings = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?.lines().count() as u64;
    (mappings > bound / 2).then_some(bound)
}

/// CPU time of all threads of a process, even those that have ended. Children are not
/// counted.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))
        .with_context(|| format!("the process {pid} has no CPU clock"))?;
    Ok(clock_gettime(clock).with_context(|| format!("the CPU clock of process {pid}"))?.into())
}

/// CPU time of the children of a process that have ended and that it has waited for, in steps of the kernel's
/// clock tick (`cutime` and `cstime` in proc(5)).
pub fn ended_children_cpu_time(pid: u32) -> Result<Duration> {
    let stat = Process::new(pid.cast_signed())
        .and_then(|process| process.stat())
        .with_context(|| format!("cannot read the CPU time of the children of process {pid}"))?;
    let ticks = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    Ok(Duration::from_nanos(ticks * 1_000_000_000 / procfs::ticks_per_second()))
}

/// The kernel's counters of a process since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Time in its own code, in steps of the kernel's clock tick.
    pub user: Duration,
    /// Time in the kernel on its behalf, in the same steps.
    pub system: Duration,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that needed one.
    pub major_faults: u64,
    /// Times that one of its live threads waited.
    pub voluntary_switches: u64,
    /// Times that the kernel made one of its live threads wait.
    pub involuntary_switches: u64,
}

/// Reads the counters of a process.
pub fn counters(pid: u32) -> Result<Counters> {
    let read = || -> procfs::ProcResult<Counters> {
        let process = Process::new(pid.cast_signed())?;
        let stat = process.stat()?;
        let mut counters = Counters {
            user: ticks(stat.utime),
            system: ticks(stat.stime),
            minor_faults: stat.minflt,
            major_faults: stat.majflt,
            ..Counters::default()
        };
        for task in process.tasks()? {
            // A thread that ends meanwhile takes its counts with it.
            if let Ok(status) = task.and_then(|task| task.status()) {
                counters.voluntary_switches += status.voluntary_ctxt_switches.unwrap_or_default();
                counters.involuntary_switches += status.nonvoluntary_ctxt_switches.unwrap_or_default();
            }
        }
        Ok(counters)
    };
    read().with_context(|| format!("cannot read the counters of process {pid}"))
}

/// The thread of a process that has run the longest; none if the kernel does not count that.
pub fn busiest_thread(pid: u32) -> Option<Task> {
    let tasks = Process::new(pid.cast_signed()).and_then(|process| process.tasks()).ok()?;
    tasks.flatten().max_by_key(|task| task.schedstat().map_or(0, |stat| stat.sum_exec_runtime))
}

/// The time that a thread was ready to run, and waited because others had its processor. None if
/// the kernel does not count it.
pub fn waited(thread: &Task) -> Option<Duration> {
    thread.schedstat().ok().map(|stat| Duration::from_nanos(stat.run_delay))
}

fn ticks(count: u64) -> Duration {
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / procfs::ticks_per_second()))
}

/// The processes with this command name, such as `dockerd`. Those that one of them has just
/// forked are left out: they bear its name only until they become another program.
pub fn named(name: &str) -> Vec<u32> {
    let Ok(mut system) = System::new() else { return Vec::new() };
    let names_only = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, names_only);
    let named: Vec<_> = system.processes_by_exact_name(name.as_ref()).collect();
    let is_forked = |parent: Option<sysinfo::Pid>| named.iter().any(|process| Some(process.pid()) == parent);
    named
        .iter()
        .filter(|process| !is_forked(process.parent()))
        .map(|process| process.pid().as_u32())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Write};

    use super::*;

    /// In another process: other tests of this one hold and free memory meanwhile.
    #[test]
    fn sixteen_touched_mebibytes_show() {
        const MIB: usize = 1 << 20;
        let mut reader = std::process::Command::new("dd")
            .args(["ibs=32M", "iflag=fullblock", "status=none", "of=/dev/null"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = reader.stdin.take().unwrap();
        // Once this is written, it has read everything but the pipe's contents. It keeps the
        // bytes until its block is full.
        pipe.write_all(&vec![1; MIB]).unwrap();
        let before = resident(reader.id()).unwrap();
        assert!(before.resident_bytes > before.pss_bytes, "`dd` shares its library: {before:?}");
        pipe.write_all(&vec![1; 16 * MIB]).unwrap();
        let after = resident(reader.id()).unwrap();
        drop(pipe);
        assert!(reader.wait().unwrap().success());
        for grown in [after.pss_bytes - before.pss_bytes, after.private_bytes - before.private_bytes] {
            // A pipe holds 64 KiB, before and after.
            assert!(grown.abs_diff(16 << 20) <= 128 << 10, "{grown} bytes");
        }
    }

    /// One page in each 2 MiB needs a page table of its own, of 4 KiB (Intel SDM, volume 3, 5.5).
    #[test]
    fn a_page_table_for_every_two_mebibytes_shows() {
        const TABLES: usize = 128;
        let own = std::process::id();
        let mut pages = vec![0_u8; TABLES << 21];
        let before = resident(own).unwrap().page_tables_bytes;
        pages.iter_mut().step_by(1 << 21).for_each(|byte| *byte = 1);
        let after = resident(own).unwrap().page_tables_bytes;
        assert_eq!(pages.iter().step_by(1 << 21).filter(|byte| **byte == 1).count(), TABLES);
        // Other tests of this process begin and end threads meanwhile.
        let truth = (TABLES as u64) << 12;
        assert!((after - before).abs_diff(truth) <= truth / 4, "{} bytes instead of {truth}", after - before);
    }

    #[test]
    fn computing_costs_cpu_time() {
        let own = std::process::id();
        let before = cpu_time(own).unwrap();
        while cpu_time(own).unwrap() < before + Duration::from_millis(5) {}
        assert!(cpu_time(own).unwrap() >= before + Duration::from_millis(5));
    }

    #[test]
    fn a_thread_that_shares_its_processor_waits() {
        let pinned = || {
            let mut command = std::process::Command::new("taskset");
            command.args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"]).spawn().unwrap()
        };
        let mut both = [pinned(), pinned()];
        let thread = std::iter::repeat_with(|| busiest_thread(both[0].id())).flatten().next().unwrap();
        let longest = std::time::Instant::now() + Duration::from_mins(1);
        while waited(&thread).unwrap() < Duration::from_millis(1) && std::time::Instant::now() < longest {}
        let waited = waited(&thread).unwrap();
        for process in &mut both {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        assert!(waited >= Duration::from_millis(1), "{waited:?}");
    }

    /// In another process: threads of other tests take their counts with them when they end.
    #[test]
    fn faults_switches_and_ticks_are_counted() {
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "read line; while :; do :; done"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = shell.id();
        let until = |what: fn(&Counters) -> bool| {
            std::iter::repeat_with(|| counters(pid).unwrap()).find(what).unwrap()
        };
        let waiting = until(|counters| counters.voluntary_switches > 0);
        assert!(waiting.minor_faults > 0);
        shell.stdin.take().unwrap().write_all(b"\n").unwrap();
        let computing = until(|counters| counters.user >= Duration::from_millis(20));
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert!(computing.voluntary_switches >= waiting.voluntary_switches);
    }

    /// A daemon that has just forked looks like a shell in a shell. The inner shell gets the pipe
    /// under another number, because a background job does not read the shell's stdin.
    #[test]
    fn a_process_that_a_daemon_has_just_forked_is_not_a_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = folder.path().join("some-daemon");
        std::os::unix::fs::symlink("/bin/sh", &daemon).unwrap();
        let mut parent = std::process::Command::new(&daemon)
            .args(["-c", "exec 3<&0; (read line) <&3 & echo $!; wait"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut forked = String::new();
        std::io::BufReader::new(parent.stdout.take().unwrap()).read_line(&mut forked).unwrap();
        let forked = Process::new(forked.trim().parse().unwrap()).unwrap().stat().unwrap();
        let found = named("some-daemon");
        drop(parent.stdin.take());
        parent.wait().unwrap();
        assert_eq!(forked.comm, "some-daemon");
        assert_eq!(found, [parent.id()]);
        assert!(named("no such process").is_empty());
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(resident(child.id()).is_err() && counters(child.id()).is_err());
        assert!(cpu_time(child.id()).is_err());
    }
}
