//! The host's cost of answers between two instants, as rows.

use std::time::Duration;

use anyhow::Result;
use isolab_core::Reuse;
use isolab_core::laps::nanoseconds;
use isolab_reports::Row;

use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::executors;
use crate::host::probes::places::{Places, Spent};
use crate::server::child::Child;
use crate::server::control;

/// The places where CPU time is spent under a load. The time of instances inside of the server
/// is part of the server's. Warm external instances are started first, one per connection; each
/// cgroup is read. Fresh ones come and go, so only the cgroup around them sees all of them.
pub fn places(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    reuse: Reuse,
    child: &Child,
    connections: usize,
) -> Result<Places> {
    let mut places = Places::child(child.pid());
    if profile.is_outside() && reuse == Reuse::Warm {
        let mut client = child.connect()?;
        places = control::places(
            child.pid(),
            &control::instances(&mut client, bench.function(), connections as u64, 1)?,
        );
    } else if profile.is_outside() {
        places.cgroups.clone_from(&profile.around);
        places.passing = Some(profile.passing.clone());
    }
    if profile.is_outside() {
        places.daemons = executors::daemons(&bench.block.spec).pids;
    }
    places.packages = bench.lab.packages.cloned();
    Ok(places)
}

/// Reads clocks and counters at the boundaries of windows. It keeps an error until the end,
/// because a load cannot handle one at a boundary.
pub struct Meter<'a> {
    places: &'a Places,
    spent: Vec<Spent>,
    failed: Option<anyhow::Error>,
}

impl<'a> Meter<'a> {
    /// Allocates for the boundaries of this many windows, so that measuring allocates nothing.
    pub fn new(places: &'a Places, windows: usize) -> Self {
        Self { places, spent: Vec::with_capacity(windows + 1), failed: None }
    }

    /// Reads now.
    pub fn read(&mut self) {
        match self.places.spent() {
            Ok(spent) => self.spent.push(spent),
            Err(error) => self.failed = Some(error),
        }
    }

    /// The cost of each window, in order.
    pub fn windows(self) -> Result<Vec<Cost>> {
        if let Some(error) = self.failed {
            return Err(error.context("CPU time under load"));
        }
        let pairs = self.spent.windows(2);
        Ok(pairs.map(|pair| Cost::between(self.places, &pair[0], &pair[1])).collect())
    }
}

/// The cost of one window.
#[derive(Clone, Debug)]
pub struct Cost {
    earlier: Spent,
    later: Spent,
    helper: Option<Duration>,
    energy_uj: Option<u64>,
}

impl Cost {
    fn between(places: &Places, earlier: &Spent, later: &Spent) -> Self {
        let energy_uj = places.energy_uj(earlier, later);
        let helper = places.helper(earlier, later);
        Self { earlier: earlier.clone(), later: later.clone(), helper, energy_uj }
    }

    /// CPU time of the server.
    pub fn child(&self) -> Duration {
        self.later.child.saturating_sub(self.earlier.child)
    }

    /// Adds a row for each part of the cost that applies.
    pub fn add(&self, rows: &mut Rows<'_>, row: &Row, profile: &BlockProfile) {
        let time =
            |of: fn(&Spent) -> Duration| nanoseconds(of(&self.later).saturating_sub(of(&self.earlier)));
        let count = |of: fn(&Spent) -> u64| of(&self.later).saturating_sub(of(&self.earlier));
        rows.add(row, "cpu_ns", time(|spent| spent.child));
        rows.add(row, "user_cpu_ns", time(|spent| spent.counters.user));
        rows.add(row, "system_cpu_ns", time(|spent| spent.counters.system));
        rows.add(row, "minor_faults_count", count(|spent| spent.counters.minor_faults));
        rows.add(row, "major_faults_count", count(|spent| spent.counters.major_faults));
        rows.add(row, "voluntary_switches_count", count(|spent| spent.counters.voluntary_switches));
        rows.add(row, "involuntary_switches_count", count(|spent| spent.counters.involuntary_switches));
        if profile.is_outside() {
            // A part that nothing counts has no row.
            if let Some((earlier, later)) = self.earlier.cgroup.zip(self.later.cgroup) {
                let time = |later: Duration, earlier| nanoseconds(later.saturating_sub(earlier));
                rows.add(row, "cgroup_cpu_ns", time(later.total, earlier.total));
                rows.add(row, "cgroup_user_cpu_ns", time(later.user, earlier.user));
                rows.add(row, "cgroup_system_cpu_ns", time(later.system, earlier.system));
            }
            if let Some(helper) = self.helper {
                rows.add(row, "helpers_cpu_ns", nanoseconds(helper));
            }
            if profile.has_engine() {
                rows.add(row, "daemon_cpu_ns", time(|spent| spent.daemon));
            }
        }
        if let Some(energy_uj) = self.energy_uj {
            rows.add(row, "energy_uj", energy_uj);
        }
    }
}
