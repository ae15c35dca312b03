//! What answers cost the host between two moments, as rows.

use std::time::Duration;

use anyhow::Result;
use isolab_core::Reuse;
use isolab_core::laps::nanoseconds;
use isolab_reports::Row;

use super::rows::Rows;
use super::{Bench, Character};
use crate::executors;
use crate::host::probes::places::{Places, Spent};
use crate::host::probes::process;
use crate::server::child::Child;
use crate::server::control;

/// Where CPU time is spent while so many connections ask. Instances in the server's
/// process are in its time. Of instances that are used again and lie outside there are
/// beforehand as many as connections, and each is read; those used once come and go, and
/// only the group around them sees all.
pub fn places(
    bench: &Bench<'_>,
    character: &Character,
    reuse: Reuse,
    child: &Child,
    connections: usize,
) -> Result<Places> {
    let mut places = Places::child(child.pid());
    if character.is_outside() && reuse == Reuse::Warm {
        let mut client = child.connect()?;
        places = control::places(
            child.pid(),
            &control::instances(&mut client, bench.function(), connections as u64, 1)?,
        );
    } else {
        places.cgroups.clone_from(&character.around);
    }
    if character.is_outside() {
        places.daemons =
            executors::daemons(&bench.block.spec).iter().flat_map(|name| process::named(name)).collect();
    }
    places.packages = bench.lab.packages.cloned();
    Ok(places)
}

/// Reads clocks and counters at the boundaries of windows, where an error cannot be
/// answered: it is kept until the end.
pub struct Meter<'a> {
    places: &'a Places,
    spent: Vec<Spent>,
    failed: Option<anyhow::Error>,
}

impl<'a> Meter<'a> {
    /// With room for the boundaries of so many windows, so that none is made while
    /// measuring.
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

    /// What was spent in each window, in order.
    pub fn windows(self) -> Result<Vec<Cost>> {
        match self.failed {
            Some(error) => Err(error.context("CPU time under load")),
            None => {
                Ok(self.spent.windows(2).map(|pair| Cost::between(self.places, &pair[0], &pair[1])).collect())
            }
        }
    }
}

/// What was spent in one window.
#[derive(Clone, Debug)]
pub struct Cost {
    earlier: Spent,
    later: Spent,
    energy_uj: Option<u64>,
}

impl Cost {
    fn between(places: &Places, earlier: &Spent, later: &Spent) -> Self {
        let energy_uj = places.energy_uj(earlier, later);
        Self { earlier: earlier.clone(), later: later.clone(), energy_uj }
    }

    /// CPU time of the server.
    pub fn child(&self) -> Duration {
        self.later.child.saturating_sub(self.earlier.child)
    }

    /// Adds a row for everything that applies.
    pub fn add(&self, rows: &mut Rows<'_>, row: &Row, character: &Character) {
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
        if character.is_outside() {
            rows.add(row, "cgroup_cpu_ns", time(|spent| spent.cgroup.total));
            rows.add(row, "cgroup_user_cpu_ns", time(|spent| spent.cgroup.user));
            rows.add(row, "cgroup_system_cpu_ns", time(|spent| spent.cgroup.system));
            rows.add(row, "helpers_cpu_ns", time(|spent| spent.helper));
            rows.add(row, "daemon_cpu_ns", time(|spent| spent.daemon));
        }
        if let Some(energy_uj) = self.energy_uj {
            rows.add(row, "energy_uj", energy_uj);
        }
    }
}
