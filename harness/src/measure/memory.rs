//! What live instances hold, seen by the host.

use anyhow::{Context, Result};
use isolab_core::Reuse;

use super::rows::Rows;
use super::{Bench, Character, page};
use isolab_reports::Row;

/// Live instances that have never been invoked, and such that have answered once:
/// much of what an instance holds it only touches then.
const INVOCATIONS: [u64; 2] = [0, 1];

/// Measures memory at several numbers of live instances, a new child for each count
/// of invocations: what stopped instances leave behind would hide what the next hold.
pub fn measure(bench: &Bench<'_>, character: &Character, rows: &mut Rows<'_>) -> Result<()> {
    bench.load_case()?;
    for invocations in INVOCATIONS {
        let child = bench.child(Reuse::Warm, bench.cache, true)?;
        let mut client = child.connect()?;
        for (sample, live) in bench.amounts(character).live.iter().enumerate() {
            let there = page::instances(&mut client, bench.function(), *live, invocations)
                .with_context(|| format!("{live} live instances"))?;
            let held = there.places(child.pid()).held()?;
            let row = Row {
                live_instances: Some(*live),
                invocations: Some(invocations),
                ..rows.row("memory", sample as u64)
            };
            rows.add(&row, "pss_bytes", held.child_bytes);
            if character.is_outside() {
                rows.add(&row, "cgroup_bytes", held.cgroup_bytes);
                rows.add(&row, "helpers_pss_bytes", held.helper_bytes);
            }
            if let Some(model) = there.model_bytes.iter().copied().sum::<Option<u64>>() {
                rows.add(&row, "model_bytes", model);
            }
        }
        drop(client);
        child.stop()?;
        rows.commit()?;
    }
    Ok(())
}
