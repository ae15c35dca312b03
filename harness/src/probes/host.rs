//! The cost of a child and of all that its instances have outside of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{cgroup, process};

/// Where to look: a child, and the control groups and helper processes of its
/// instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The child.
    pub child: u32,
    /// Control group folders, one for each controller.
    pub cgroups: Vec<PathBuf>,
    /// Processes that serve the instances but lie outside of their groups.
    pub helpers: Vec<u32>,
}

/// Memory of the three places, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Proportional set size of the child.
    pub child_bytes: u64,
    /// Usage of the control groups without inactive file pages.
    pub cgroup_bytes: u64,
    /// Proportional set size of the helpers.
    pub helper_bytes: u64,
}

/// CPU time of the three places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Of the child.
    pub child: Duration,
    /// Of the control groups.
    pub cgroup: Duration,
    /// Of the helpers.
    pub helper: Duration,
}

impl Spent {
    /// What was spent since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            child: self.child.saturating_sub(earlier.child),
            cgroup: self.cgroup.saturating_sub(earlier.cgroup),
            helper: self.helper.saturating_sub(earlier.helper),
        }
    }
}

impl Places {
    /// A child without anything outside.
    pub fn child(pid: u32) -> Self {
        Self { child: pid, ..Self::default() }
    }

    /// The groups that hold the instances' groups. They also count the instances
    /// that are gone, so a stretch in which instances come and go is seen whole.
    #[must_use]
    pub fn around(&self) -> Self {
        let mut cgroups: Vec<_> =
            self.cgroups.iter().filter_map(|folder| folder.parent().map(PathBuf::from)).collect();
        cgroups.sort();
        cgroups.dedup();
        Self { child: self.child, cgroups, helpers: Vec::new() }
    }

    /// Memory held now.
    pub fn held(&self) -> Result<Held> {
        let mut held = Held { child_bytes: process::pss_bytes(self.child)?, ..Held::default() };
        for folder in &self.cgroups {
            let bytes = cgroup::memory_bytes(folder)
                .with_context(|| format!("memory of control group {}", folder.display()))?;
            held.cgroup_bytes += bytes.unwrap_or_default();
        }
        for pid in &self.helpers {
            held.helper_bytes += process::pss_bytes(*pid)?;
        }
        Ok(held)
    }

    /// CPU time spent until now.
    pub fn spent(&self) -> Result<Spent> {
        let mut spent = Spent { child: process::cpu_time(self.child)?, ..Spent::default() };
        for folder in &self.cgroups {
            let time = cgroup::cpu_time(folder)
                .with_context(|| format!("CPU time of control group {}", folder.display()))?;
            spent.cgroup += time.unwrap_or_default();
        }
        for pid in &self.helpers {
            spent.helper += process::cpu_time(*pid)?;
        }
        Ok(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_around_are_counted_once() {
        let places = Places {
            child: 1,
            cgroups: ["cpuacct/docker/a", "memory/docker/a", "cpuacct/docker/b"].map(PathBuf::from).to_vec(),
            helpers: vec![2],
        };
        let around = places.around();
        assert_eq!(around.cgroups, ["cpuacct/docker", "memory/docker"].map(PathBuf::from));
        assert!(around.helpers.is_empty());
    }

    #[test]
    fn what_was_spent_is_the_difference() {
        let at = |child, cgroup| Spent {
            child: Duration::from_millis(child),
            cgroup: Duration::from_millis(cgroup),
            helper: Duration::ZERO,
        };
        assert_eq!(at(9, 5).since(at(4, 2)), at(5, 3));
    }

    #[test]
    fn a_process_without_outside_is_its_own_cost() {
        let held = Places::child(std::process::id()).held().unwrap();
        assert!(held.child_bytes > 0 && held.cgroup_bytes + held.helper_bytes == 0);
    }
}
