//! Memory of live instances, as the host sees it.

use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::http1::Client;
use crate::run::preset;
use crate::server::child::Child;
use crate::server::control;

/// Measures memory at several numbers of live instances, for every count of invocations: an
/// instance touches much of its memory only when it answers. If instances are inside of the
/// child, each count has a child of its own: memory that stopped instances leave behind would
/// hide that of the next ones. Instances outside of it leave nothing there, and take long to
/// start: those that have not answered answer once, and are then stopped on the way down.
pub fn measure(bench: &Bench<'_>, profile: &BlockProfile, rows: &mut Rows<'_>) -> Result<()> {
    let amounts = bench.amounts(profile).memory;
    let mut child = bench.child(Reuse::Warm, bench.cache, true)?;
    let mut untouched: &[u64] = &[];
    for (index, invocations) in amounts.invocations.iter().enumerate() {
        let live = within_time(&amounts, profile.invoke, *invocations);
        // An instance that answers only once has ended after that.
        let ends_before = bench.block.variant.answers_once() && *invocations > 0;
        if live.len() < FEWEST || ends_before {
            continue;
        }
        if index > 0 && !profile.is_outside() {
            child.stop()?;
            child = bench.child(Reuse::Warm, bench.cache, true)?;
        }
        let mut ladder = Ladder { bench, profile, invocations: *invocations, client: child.connect()?, rows };
        if *invocations == 1 && !untouched.is_empty() {
            ladder.down(&child, untouched)?;
            untouched = &[];
        } else {
            let reached = ladder.up(&child, live)?;
            untouched = if *invocations == 0 && profile.is_outside() { &live[..reached] } else { &[] };
        }
        rows.commit()?;
    }
    child.stop()
}

/// The fewest numbers of live instances for a slope, 0 included.
const FEWEST: usize = 3;

/// The numbers of live instances whose invocations fit into the bound.
fn within_time(amounts: &preset::Memory, invoke: Duration, invocations: u64) -> &'static [u64] {
    let fits = |live: &u64| {
        let times = u32::try_from(live.saturating_mul(invocations)).unwrap_or(u32::MAX);
        invocations <= 1 || invoke.saturating_mul(times) <= amounts.bound_time
    };
    let count = amounts.live.iter().take_while(|live| fits(live)).count();
    &amounts.live[..count]
}

/// Several numbers of live instances with one count of invocations.
struct Ladder<'a, 'r> {
    bench: &'a Bench<'a>,
    profile: &'a BlockProfile,
    invocations: u64,
    client: Client,
    rows: &'a mut Rows<'r>,
}

impl Ladder<'_, '_> {
    /// Starts more and more instances. Returns how many numbers the bound of memory allowed.
    fn up(&mut self, child: &Child, live: &[u64]) -> Result<usize> {
        let bound_bytes = self.bench.amounts(self.profile).memory.bound_bytes;
        let mut held_before: Option<(u64, u64)> = None;
        let mut idle_bytes = 0;
        for (sample, live) in live.iter().enumerate() {
            if sample >= FEWEST && held_before.is_some_and(|before| expected(before, *live) > bound_bytes) {
                return Ok(sample);
            }
            let total_bytes = self.read(child, sample, *live)?;
            match live {
                0 => idle_bytes = total_bytes,
                _ => held_before = Some((*live, total_bytes.saturating_sub(idle_bytes))),
            }
        }
        Ok(live.len())
    }

    /// Has all instances answer once more, and stops more and more of them.
    fn down(&mut self, child: &Child, live: &[u64]) -> Result<()> {
        let most = live.last().copied().unwrap_or_default();
        control::exercised(&mut self.client, self.bench.function(), most, 1)
            .with_context(|| format!("{most} live instances"))?;
        // The server has recorded the answers in its own memory.
        control::phases(&mut self.client)?;
        for (sample, live) in live.iter().enumerate().rev() {
            self.read(child, sample, *live)?;
        }
        Ok(())
    }

    /// Memory with this many live instances, as rows. Returns all that the host holds, in bytes.
    fn read(&mut self, child: &Child, sample: usize, live: u64) -> Result<u64> {
        let instances = control::instances(&mut self.client, self.bench.function(), live, self.invocations)
            .with_context(|| format!("{live} live instances"))?;
        let held = control::places(child.pid(), &instances).held()?;
        let row = Row {
            live_instances: Some(live),
            invocations: Some(self.invocations),
            ..self.rows.row("memory", sample as u64)
        };
        let rows = &mut *self.rows;
        rows.add(&row, "pss_bytes", held.child.pss_bytes);
        rows.add(&row, "private_bytes", held.child.private_bytes);
        rows.add(&row, "page_tables_bytes", held.child.page_tables_bytes);
        if self.profile.is_outside() {
            rows.add(&row, "cgroup_bytes", held.cgroup_bytes);
            rows.add(&row, "helpers_pss_bytes", held.helpers.pss_bytes);
            rows.add(&row, "helpers_page_tables_bytes", held.helpers.page_tables_bytes);
            rows.add(&row, "helpers_resident_bytes", held.helpers.resident_bytes);
        }
        if let Some(model) = instances.model_bytes.iter().copied().sum::<Option<u64>>() {
            rows.add(&row, "model_bytes", model);
        }
        Ok(held.total_bytes())
    }
}

/// The expected memory of `live` instances, by the memory of fewer.
fn expected((live_before, held_bytes): (u64, u64), live: u64) -> u64 {
    held_bytes / live_before * live
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::preset::DEFAULT;

    #[test]
    fn slow_functions_have_fewer_live_instances_or_none() {
        let amounts = DEFAULT.light.memory;
        let live = |invoke_ms, invocations| {
            within_time(&amounts, Duration::from_millis(invoke_ms), invocations).last().copied()
        };
        assert_eq!(live(0, 100), Some(32));
        assert_eq!(live(500, 1), Some(32), "one invocation of each is always made");
        assert_eq!(live(1, 100), Some(8));
        assert_eq!(live(100, 100), Some(0), "too few numbers, so the count is left out");
        assert_eq!(expected((8, 800), 64), 6_400);
    }
}
