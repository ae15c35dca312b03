//! What live instances hold, seen by the host.

use anyhow::{Context, Result};
use isolab_core::Reuse;

use super::rows::Rows;
use super::{Bench, Character, page};
use crate::child::Child;
use isolab_reports::Row;

/// Live instances that have never been invoked, and such that have answered once:
/// much of what an instance holds it only touches then.
const INVOCATIONS: [u64; 2] = [0, 1];

/// Measures memory at several numbers of live instances, for every count of
/// invocations. Each count has a child of its own where instances lie in the child:
/// what stopped instances leave behind there would hide what the next hold.
pub fn measure(bench: &Bench<'_>, character: &Character, rows: &mut Rows<'_>) -> Result<()> {
    bench.load_case()?;
    let mut child = bench.child(Reuse::Warm, bench.cache, true)?;
    for invocations in INVOCATIONS {
        if invocations != INVOCATIONS[0] && !character.is_outside() {
            child.stop()?;
            child = bench.child(Reuse::Warm, bench.cache, true)?;
        }
        at_every_number(bench, character, invocations, &child, rows)?;
        rows.commit()?;
    }
    child.stop()
}

fn at_every_number(
    bench: &Bench<'_>,
    character: &Character,
    invocations: u64,
    child: &Child,
    rows: &mut Rows<'_>,
) -> Result<()> {
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
    Ok(())
}
