//! The cost of a child, and of everything that its instances have outside of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cgroup::{self, CpuTime};
use super::energy::{Packages, Reading};
use super::process::{self, Counters, Resident};

/// The places where a server costs something: its process, and the control groups and helper
/// processes of its instances.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Process id of the child.
    pub child: u32,
    /// Control group folders, one for each controller.
    pub cgroups: Vec<PathBuf>,
    /// Processes that serve the instances from outside of their groups.
    pub helpers: Vec<u32>,
    /// Processes that serve every instance of the host, such as a container engine's.
    pub daemons: Vec<u32>,
    /// Counters of energy, where the host has them.
    pub packages: Option<Packages>,
}

/// Memory of the places, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Of the child.
    pub child: Resident,
    /// Usage of the control groups without inactive file pages. A control group counts the page
    /// tables of its processes itself.
    pub cgroup_bytes: u64,
    /// Of the helpers together.
    pub helpers: Resident,
}

impl Held {
    /// Everything that the host holds, every page once.
    pub fn total_bytes(&self) -> u64 {
        self.child.held_bytes() + self.cgroup_bytes + self.helpers.held_bytes()
    }
}

/// Everything that the places have spent since they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// CPU time of the child.
    pub child: Duration,
    /// Further counters of the child.
    pub counters: Counters,
    /// CPU time of the control groups.
    pub cgroup: CpuTime,
    /// CPU time of the helpers.
    pub helper: Duration,
    /// CPU time of the daemons.
    pub daemon: Duration,
    /// Energy.
    energy: Option<Reading>,
}

impl Places {
    /// A child that has nothing outside of its process.
    pub fn child(pid: u32) -> Self {
        Self { child: pid, ..Self::default() }
    }

    /// The same places with the parents of the control groups. A parent also counts instances
    /// that are gone, so it sees everything while instances come and go.
    #[must_use]
    pub fn around(&self) -> Self {
        let mut cgroups: Vec<_> =
            self.cgroups.iter().filter_map(|folder| folder.parent().map(PathBuf::from)).collect();
        cgroups.sort();
        cgroups.dedup();
        Self { cgroups, helpers: Vec::new(), ..self.clone() }
    }

    /// Memory held now.
    pub fn held(&self) -> Result<Held> {
        let mut held = Held { child: process::resident(self.child)?, ..Held::default() };
        for folder in &self.cgroups {
            let bytes = cgroup::memory_bytes(folder)
                .with_context(|| format!("memory of control group {}", folder.display()))?;
            held.cgroup_bytes += bytes.unwrap_or_default();
        }
        for pid in &self.helpers {
            let helper = process::resident(*pid)?;
            held.helpers.pss_bytes += helper.pss_bytes;
            held.helpers.private_bytes += helper.private_bytes;
            held.helpers.page_tables_bytes += helper.page_tables_bytes;
        }
        Ok(held)
    }

    /// Everything spent until now.
    pub fn spent(&self) -> Result<Spent> {
        let mut spent = Spent {
            child: process::cpu_time(self.child)?,
            counters: process::counters(self.child)?,
            ..Spent::default()
        };
        for folder in &self.cgroups {
            let time = cgroup::cpu_time(folder)
                .with_context(|| format!("CPU time of control group {}", folder.display()))?
                .unwrap_or_default();
            spent.cgroup.total += time.total;
            spent.cgroup.user += time.user;
            spent.cgroup.system += time.system;
        }
        for pid in &self.helpers {
            spent.helper += process::cpu_time(*pid)?;
        }
        for pid in &self.daemons {
            spent.daemon += process::cpu_time(*pid)?;
        }
        let energy = self.packages.as_ref().map(Packages::read).transpose();
        spent.energy = energy.context("the energy counters")?;
        Ok(spent)
    }

    /// Energy between two moments, in microjoules, where it is counted.
    pub fn energy_uj(&self, earlier: &Spent, later: &Spent) -> Option<u64> {
        Some(self.packages.as_ref()?.between(earlier.energy.as_ref()?, later.energy.as_ref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parent_group_is_counted_once() {
        let places = Places {
            child: 1,
            cgroups: ["cpuacct/docker/a", "memory/docker/a", "cpuacct/docker/b"].map(PathBuf::from).to_vec(),
            helpers: vec![2],
            ..Places::default()
        };
        let around = places.around();
        assert_eq!(around.cgroups, ["cpuacct/docker", "memory/docker"].map(PathBuf::from));
        assert!(around.helpers.is_empty());
    }

    #[test]
    fn a_process_with_nothing_outside_is_the_whole_cost() {
        let held = Places::child(std::process::id()).held().unwrap();
        assert!(held.child.pss_bytes > 0 && held.child.page_tables_bytes > 0);
        assert_eq!(held.total_bytes(), held.child.pss_bytes + held.child.page_tables_bytes);
    }
}
