//! The highest rate whose 99th percentile keeps a bound.

use std::time::{Duration, Instant};

use anyhow::Result;
use isolab_core::Reuse;
use isolab_core::laps::nanoseconds;

use super::load::Capacity;
use super::open::{Offer, connections};
use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::load::slo;
use crate::server::child::Child;

/// Searches the highest rate, and writes every probe and the bracket. Without the time for one
/// probe, there are no rows.
///
/// # Errors
/// If an answer is faulty, or the child's cost cannot be read.
pub fn measure(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    reuse: Reuse,
    child: &Child,
    capacity: Capacity,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let (amounts, bound) = (bench.amounts(profile).slo, bench.lab.preset.slo);
    let begun = Instant::now();
    let mut probes = 0;
    let bracket = slo::search(capacity.per_second, amounts.probes, |rate_per_s| -> Result<_> {
        let windows = slo::windows(amounts.probe, bound, rate_per_s);
        if begun.elapsed() + windows.iter().sum::<Duration>() > amounts.bound_time {
            return Ok(None);
        }
        let offer = Offer {
            rate_per_s,
            queue_max: slo::queue_max(windows[1], bound, rate_per_s),
            windows: windows.to_vec(),
            connections: connections(profile, capacity),
            number: 1 + probes,
        };
        let windows = offer.run(bench, profile, reuse, child)?;
        let (window, cost) = &windows[0];
        let row = offer.row(rows, reuse, "slo", probes);
        offer.add(rows, &row, window);
        cost.add(rows, &row, profile);
        probes += 1;
        Ok(Some(slo::judge(window, rate_per_s, bound)))
    })?;
    if probes > 0 {
        let row = rows.row_of(reuse, "slo", 0);
        rows.add(&row, "slo_ns", nanoseconds(bound));
        rows.add(&row, "probes_count", probes);
        if let Some(kept) = bracket.kept {
            rows.add(&row, "slo_rate_per_s", kept.round() as u64);
        }
        if let Some(broken) = bracket.broken {
            rows.add(&row, "slo_broken_rate_per_s", broken.round() as u64);
        }
    }
    Ok(rows.commit()?)
}
