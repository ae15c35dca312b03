//! Memory and CPU time of one process.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use procfs::process::Process;

/// Proportional set size of a process, in bytes: its own pages, and of shared pages
/// its share. The sum over processes therefore counts every page once.
pub fn pss_bytes(pid: u32) -> Result<u64> {
    let rollup = Process::new(pid.cast_signed())
        .and_then(|process| process.smaps_rollup())
        .with_context(|| format!("the memory of process {pid} cannot be read"))?;
    let maps = rollup.memory_map_rollup;
    maps.iter()
        .find_map(|map| map.extension.map.get("Pss"))
        .copied()
        .with_context(|| format!("/proc/{pid}/smaps_rollup has no `Pss`; the kernel must be 4.14 or newer"))
}

/// CPU time that all threads of a process have used, ended ones included. Children
/// are not counted.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))
        .with_context(|| format!("process {pid} has no CPU clock"))?;
    Ok(clock_gettime(clock).with_context(|| format!("the CPU clock of process {pid}"))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_touched_mebibytes_show() {
        let own = std::process::id();
        let before = pss_bytes(own).unwrap();
        let touched = std::hint::black_box(vec![1_u8; 16 << 20]);
        let grown = pss_bytes(own).unwrap().saturating_sub(before);
        drop(touched);
        assert!((15 << 20..20 << 20).contains(&grown), "{grown} bytes");
    }

    #[test]
    fn computing_costs_cpu_time() {
        let own = std::process::id();
        let before = cpu_time(own).unwrap();
        while cpu_time(own).unwrap() < before + Duration::from_millis(5) {}
        assert!(cpu_time(own).unwrap() >= before + Duration::from_millis(5));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(pss_bytes(child.id()).is_err());
        assert!(cpu_time(child.id()).is_err());
    }
}
