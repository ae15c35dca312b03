//! Processors: one for the server and its instances, another for the load generator.

use anyhow::{Context, Result};
use isolab_reports::run::Placement;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

/// The processors of a measurement, by the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pinning {
    /// The server's processor.
    pub server_cpu: usize,
    /// The processor of instances outside of the server's process; none if their engine chooses.
    pub guest_cpu: Option<usize>,
    /// The load generator's processor.
    pub load_cpu: usize,
}

impl Pinning {
    /// The processors of a rule, if this process may use two.
    pub fn choose(placement: Placement) -> Option<Self> {
        match usable()[..] {
            [server_cpu, load_cpu, ..] => {
                let guest_cpu = (placement == Placement::Together).then_some(server_cpu);
                Some(Self { server_cpu, guest_cpu, load_cpu })
            }
            _ => None,
        }
    }
}

/// The processors that the calling thread may run on.
pub fn usable() -> Vec<usize> {
    match sched_getaffinity(Pid::from_raw(0)) {
        Ok(set) => (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect(),
        Err(_) => Vec::new(),
    }
}

/// The numbers of workers to compare: one, and one for each of these processors.
pub fn one_and_all(processors: &[usize]) -> Vec<usize> {
    let mut workers = vec![1, processors.len().max(1)];
    workers.dedup();
    workers
}

/// Keeps the calling thread, and all threads and processes that it starts, on one processor.
///
/// # Errors
/// If this process may not use that processor.
pub fn pin(cpu: usize) -> Result<()> {
    pin_to(&[cpu])
}

/// Keeps the calling thread, and all threads and processes that it starts, on these processors.
///
/// # Errors
/// If this process may not use one of them.
pub fn pin_to(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cpus.iter()
        .try_for_each(|cpu| set.set(*cpu))
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot keep this process on the processors {cpus:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_has_one_processor() {
        let last = *usable().last().unwrap();
        std::thread::spawn(move || {
            pin(last).unwrap();
            assert_eq!(usable(), [last]);
            assert!(pin(CpuSet::count() - 1).is_err());
        })
        .join()
        .unwrap();
    }
}
