//! Density: the most live instances before a bound is reached.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isolab_core::{Phase, Reuse};
use isolab_frontend::admin::api::PhaseLine;
use isolab_reports::row::Limit;
use isolab_reports::{Latencies, Row};

use super::rows::Rows;
use super::{Bench, BlockProfile, Extent};
use crate::host::probes::places::Held;
use crate::host::probes::process::{self, Handles};
use crate::http1::Client;
use crate::interrupt;
use crate::run::preset;
use crate::server::child::Child;
use crate::server::control;

/// Invocations of every instance at each number, so that a 99th percentile is not a single
/// answer.
const ROUNDS: u64 = 3;

/// Doubles the live instances, each invoked once, until a bound is reached: their memory, their
/// 99th percentile in turn, their number, or the time of the search.
pub fn measure(bench: &Bench<'_>, profile: &BlockProfile, rows: &mut Rows<'_>) -> Result<()> {
    let bounds = bench.amounts(profile).density;
    let begun = Instant::now();
    let extent = Extent { instances: usize::try_from(bounds.instances).ok(), ..bench.extent() };
    let child = bench.child_with(Reuse::Warm, bench.cache, true, &extent)?;
    let mut client = child.connect()?;
    let idle =
        control::places(child.pid(), &control::instances(&mut client, bench.function(), 0, 0)?).held()?;
    control::phases(&mut client)?;
    let mut live = 1;
    let mut kept = Point { live: 0, held_bytes: 0 };
    let (end, limit) = loop {
        let (held, handles) = match hold(bench, &child, &mut client, live) {
            Err(error) if kept.live > 0 => {
                interrupt::check()?;
                tracing::warn!(executor = %bench.block.spec, "density ends at {} instances: {error:#}", kept.live);
                if let Some(bound) = process::mappings_bound(child.pid()) {
                    tracing::warn!(
                        "the kernel allows {bound} mappings in a process, and the server has used most of them; \
                         `sysctl vm.max_map_count=1048576` allows more"
                    );
                }
                break (kept, Limit::Refused);
            }
            held => held?,
        };
        let mut latencies_ns = exercise(bench, &mut client, live)?;
        if is_slow(p99(&latencies_ns), &bounds) {
            // Once more: a single interruption by the host is not the model's fault.
            let again_ns = exercise(bench, &mut client, live)?;
            latencies_ns = std::cmp::min_by_key(latencies_ns, again_ns, |latencies_ns| p99(latencies_ns));
        }
        let p99_ns = p99(&latencies_ns);
        let point = Point { live, held_bytes: held.total_bytes().saturating_sub(idle.total_bytes()) };
        let row = Row { live_instances: Some(live), ..rows.row("density", 0) };
        rows.add(&row, "held_bytes", point.held_bytes);
        rows.add(&row, "addresses_bytes", handles.addresses_bytes);
        rows.add(&row, "descriptors_count", handles.descriptors);
        rows.add(&row, "threads_count", handles.threads);
        rows.add(&row, "latency_p99_ns", p99_ns);
        rows.add_latencies(&row, "latency_count", latencies_ns.iter().copied().collect::<Latencies>());
        if is_slow(p99_ns, &bounds) {
            break (kept, Limit::Latency);
        }
        kept = point;
        if begun.elapsed() > bounds.bound_time {
            break (kept, Limit::Time);
        }
        match next(kept, &bounds) {
            Ok(more) => live = more,
            Err(limit) => break (kept, limit),
        }
    };
    let row = Row { live_instances: Some(end.live), limit: Some(limit), ..rows.row("density", 0) };
    rows.add(&row, "instances_count", end.live);
    rows.add_duration(&row, begun.elapsed());
    rows.commit()?;
    // The end of a server has a bound of time, in which 100,000 instances do not stop.
    control::instances(&mut client, bench.function(), 0, 0)?;
    drop(client);
    child.stop()
}

/// Brings the live instances to this number, each invoked once, and answers what they hold. Memory comes before the
/// exercise, whose answers the server records in its own memory.
fn hold(bench: &Bench<'_>, child: &Child, client: &mut Client, live: u64) -> Result<(Held, Handles)> {
    let instances = control::instances(client, bench.function(), live, 1);
    let instances = instances.with_context(|| format!("{live} live instances"))?;
    let places = control::places(child.pid(), &instances);
    Ok((places.held()?, places.handles()?))
}

/// Invokes the live instances in turn. Returns the durations in nanoseconds, in ascending order.
fn exercise(bench: &Bench<'_>, client: &mut Client, live: u64) -> Result<Vec<u64>> {
    let mut durations_ns = Vec::new();
    for _ in 0..ROUNDS {
        interrupt::check()?;
        // Each round is read by itself, because the server's record has a bound.
        let exercised = control::exercised(client, bench.function(), live, 1);
        exercised.with_context(|| format!("{live} live instances"))?;
        durations_ns.extend(answers(&control::phases(client)?, live)?);
    }
    durations_ns.sort_unstable();
    Ok(durations_ns)
}

fn is_slow(p99_ns: u64, bounds: &preset::Density) -> bool {
    Duration::from_nanos(p99_ns) > bounds.p99
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    live: u64,
    held_bytes: u64,
}

/// The next number of instances, by the memory of these, or the bound that allows no more.
fn next(point: Point, bounds: &preset::Density) -> Result<u64, Limit> {
    let each = (point.held_bytes / point.live).max(1);
    let fit = bounds.bound_bytes / each;
    let most = fit.min(bounds.instances);
    if point.live < most {
        return Ok((point.live * 2).min(most));
    }
    Err(if fit < bounds.instances { Limit::Memory } else { Limit::Instances })
}

/// The durations of the last answers of all live instances.
fn answers(lines: &[PhaseLine], live: u64) -> Result<Vec<u64>> {
    let invoked = lines.iter().filter(|line| line.phase == Phase::Invoke);
    let mut durations: Vec<_> = invoked.map(|line| line.duration_ns).collect();
    let counted = live as usize;
    ensure!(durations.len() >= counted, "{} answers instead of {counted}", durations.len());
    Ok(durations.split_off(durations.len() - counted))
}

/// The 99th percentile by nearest rank.
fn p99(sorted_ns: &[u64]) -> u64 {
    sorted_ns[(sorted_ns.len() * 99).div_ceil(100) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::preset::QUICK;

    #[test]
    fn the_search_ends_at_the_nearest_bound() {
        let bounds = preset::Density { bound_bytes: 1_000, instances: 100, ..QUICK.light.density };
        let next = |live, held_bytes| next(Point { live, held_bytes }, &bounds);
        assert_eq!(next(1, 10), Ok(2));
        assert_eq!(next(64, 64), Ok(100));
        assert_eq!(next(100, 100), Err(Limit::Instances));
        assert_eq!(next(16, 640), Ok(25));
        assert_eq!(next(25, 1_000), Err(Limit::Memory));
        assert_eq!(next(1, 0), Ok(2), "memory that cannot be seen does not count");
    }
}
