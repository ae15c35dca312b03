//! Memory of live instances, as the host sees it.

use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::run::preset;
use crate::server::child::Child;
use crate::server::control;

/// Measures memory at several numbers of live instances, for every count of invocations: an
/// instance touches much of its memory only when it answers. If instances are inside of the
/// child, each count has a child of its own: memory that stopped instances leave behind would
/// hide that of the next ones.
pub fn measure(bench: &Bench<'_>, profile: &BlockProfile, rows: &mut Rows<'_>) -> Result<()> {
    let amounts = bench.amounts(profile).memory;
    let mut child = bench.child(Reuse::Warm, bench.cache, true)?;
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
        at_every_number(bench, profile, *invocations, live, &child, rows)?;
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

fn at_every_number(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    invocations: u64,
    live: &[u64],
    child: &Child,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let bound_bytes = bench.amounts(profile).memory.bound_bytes;
    let mut client = child.connect()?;
    let mut held_before: Option<(u64, u64)> = None;
    let mut idle_bytes = 0;
    for (sample, live) in live.iter().enumerate() {
        if sample >= FEWEST && held_before.is_some_and(|before| expected(before, *live) > bound_bytes) {
            break;
        }
        let instances = control::instances(&mut client, bench.function(), *live, invocations)
            .with_context(|| format!("{live} live instances"))?;
        let held = control::places(child.pid(), &instances).held()?;
        let row = Row {
            live_instances: Some(*live),
            invocations: Some(invocations),
            ..rows.row("memory", sample as u64)
        };
        rows.add(&row, "pss_bytes", held.child.pss_bytes);
        rows.add(&row, "private_bytes", held.child.private_bytes);
        rows.add(&row, "page_tables_bytes", held.child.page_tables_bytes);
        if profile.is_outside() {
            rows.add(&row, "cgroup_bytes", held.cgroup_bytes);
            rows.add(&row, "helpers_pss_bytes", held.helpers.pss_bytes);
            rows.add(&row, "helpers_page_tables_bytes", held.helpers.page_tables_bytes);
        }
        if let Some(model) = instances.model_bytes.iter().copied().sum::<Option<u64>>() {
            rows.add(&row, "model_bytes", model);
        }
        match live {
            0 => idle_bytes = held.total_bytes(),
            _ => held_before = Some((*live, held.total_bytes().saturating_sub(idle_bytes))),
        }
    }
    Ok(())
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
