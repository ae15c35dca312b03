//! The cost of a child, and of everything that its instances have outside of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cgroup::{self, CpuTime};
use super::daemons::HelperGroups;
use super::energy::{Packages, Reading};
use super::process::{self, Counters, Handles, Resident};

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
    /// The count of helpers that come and go; none if `helpers` are all there are.
    pub passing: Option<Passing>,
    /// Counters of energy, where the host has them.
    pub packages: Option<Packages>,
}

/// The count of helpers that come and go with their instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// By the control groups of the engine.
    By(HelperGroups),
    /// They are children of the server, whose kernel adds up those that have ended.
    Children,
    /// They are not counted.
    Uncounted,
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
    /// CPU time of the control groups; `None` without a control group.
    pub cgroup: Option<CpuTime>,
    /// CPU time of the helpers; none if it is not counted.
    pub helper: Option<Duration>,
    /// CPU time of the daemons themselves.
    pub daemon: Duration,
    /// Energy.
    energy: Option<Reading>,
}

impl Places {
    /// A child that has nothing outside of its process.
    pub fn child(pid: u32) -> Self {
        Self { child: pid, ..Self::default() }
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
            held.helpers.resident_bytes += helper.resident_bytes;
            held.helpers.private_bytes += helper.private_bytes;
            held.helpers.page_tables_bytes += helper.page_tables_bytes;
        }
        Ok(held)
    }

    /// The handles of the server, of the processes in the groups, and of helpers. A process that ends meanwhile has
    /// none.
    pub fn handles(&self) -> Result<Handles> {
        let own = process::handles(self.child)?;
        // A container's process is in a group of each controller.
        let in_groups = self.cgroups.iter().flat_map(|folder| cgroup::processes(folder));
        let others: BTreeSet<u32> = in_groups.chain(self.helpers.iter().copied()).collect();
        Ok(others.into_iter().filter_map(|pid| process::handles(pid).ok()).fold(own, Handles::plus))
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
            let cgroup = spent.cgroup.get_or_insert_default();
            cgroup.total += time.total;
            cgroup.user += time.user;
            cgroup.system += time.system;
        }
        spent.helper = match &self.passing {
            None => Some(self.helpers.iter().map(|pid| process::cpu_time(*pid)).sum::<Result<_>>()?),
            Some(Passing::By(groups)) => Some(groups.read(&self.daemons)?),
            Some(Passing::Children) => Some(process::ended_children_cpu_time(self.child)?),
            Some(Passing::Uncounted) => None,
        };
        for pid in &self.daemons {
            spent.daemon += process::cpu_time(*pid)?;
        }
        let energy = self.packages.as_ref().map(Packages::read).transpose();
        spent.energy = energy.context("the energy counters")?;
        Ok(spent)
    }

    /// CPU time of the helpers between two moments, where it is counted.
    pub fn helper(&self, earlier: &Spent, later: &Spent) -> Option<Duration> {
        Some(later.helper?.saturating_sub(earlier.helper?))
    }

    /// Energy between two moments, in microjoules, where it is counted.
    pub fn energy_uj(&self, earlier: &Spent, later: &Spent) -> Option<u64> {
        Some(self.packages.as_ref()?.between(earlier.energy.as_ref()?, later.energy.as_ref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group that stands still in a recorded tree, and a helper that burns.
    #[test]
    fn a_busy_helper_is_counted_as_a_helper_and_not_as_a_group() {
        let group = tempfile::tempdir().unwrap();
        let set = |ns: u64| {
            for file in ["cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys"] {
                std::fs::write(group.path().join(file), ns.to_string()).unwrap();
            }
        };
        let mut helper =
            std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let busy = Duration::from_millis(20);
        let burn = |until: Duration| while process::cpu_time(helper.id()).unwrap() < until {};
        let places = Places {
            cgroups: vec![group.path().to_owned()],
            helpers: vec![helper.id()],
            ..Places::child(std::process::id())
        };
        set(0);
        burn(busy);
        let earlier = places.spent().unwrap();
        set(7_000_000);
        burn(earlier.helper.unwrap() + busy);
        let later = places.spent().unwrap();
        helper.kill().unwrap();
        helper.wait().unwrap();
        let spent = places.helper(&earlier, &later).unwrap();
        assert!(spent >= busy, "{spent:?}");
        assert_eq!(later.daemon, Duration::ZERO);
        assert_eq!(later.cgroup.unwrap().total, Duration::from_millis(7));
    }

    #[test]
    fn helpers_without_a_counter_are_not_counted_as_nothing() {
        let places = Places { passing: Some(Passing::Uncounted), ..Places::child(std::process::id()) };
        let spent = places.spent().unwrap();
        assert_eq!((spent.helper, spent.cgroup, places.helper(&spent, &spent)), (None, None, None));
    }

    #[test]
    fn a_process_with_nothing_outside_is_the_whole_cost() {
        let held = Places::child(std::process::id()).held().unwrap();
        assert!(held.child.pss_bytes > 0 && held.child.page_tables_bytes > 0);
        assert_eq!(held.total_bytes(), held.child.pss_bytes + held.child.page_tables_bytes);
    }
}
