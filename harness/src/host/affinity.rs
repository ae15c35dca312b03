//! Which processor runs what: the server one, the load generator another.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

/// The processors of a measurement, by the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pinning {
    /// Runs the child. Containers run where the engine puts them.
    pub server_cpu: usize,
    /// Runs the load generator.
    pub load_cpu: usize,
}

impl Pinning {
    /// One processor each, if this process may use two.
    pub fn choose() -> Option<Self> {
        match usable()[..] {
            [server_cpu, load_cpu, ..] => Some(Self { server_cpu, load_cpu }),
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

/// Keeps the calling thread, and all that it starts, on one processor.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("this process cannot be kept on processor {cpu}"))
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
