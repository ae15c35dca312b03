//! Contention: the closed loop against servers with one and more workers.
//!
//! Each worker is a thread with instances of its own. The server gets a processor for each worker,
//! without the load generator's as long as there are enough. Otherwise both share it, and the
//! rows say so.

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::cost::{self, Meter};
use super::rows::Rows;
use super::{Bench, BlockProfile, Extent, load};
use crate::host::affinity::Pinning;
use crate::load::closed;

/// Loads a child with every number of workers, one after the other. Instances outside of the
/// server are not measured: their engine serves one request of each at a time.
///
/// # Errors
/// If an answer is faulty, or the child's cost cannot be read.
pub fn measure(bench: &Bench<'_>, profile: &BlockProfile, reuse: Reuse, rows: &mut Rows<'_>) -> Result<()> {
    if profile.is_outside() {
        return Ok(());
    }
    let most = bench.amounts(profile).load.connections.last().copied().unwrap_or(1);
    for workers in bench.lab.workers {
        let processors = processors(bench.lab.processors, bench.lab.pinning, *workers);
        let extent = Extent { workers: *workers, cpus: &processors.server, ..bench.extent() };
        let child = bench.child_with(reuse, bench.cache, false, &extent)?;
        let places = cost::places(bench, profile, reuse, &child, most)?;
        let mut load = load::load(bench, profile, &child, most)?;
        load.is_spinning &= !processors.is_shared;
        let mut meter = Meter::new(&places, load.windows.len());
        let outcome = closed::run(&load, || meter.read())?;
        let outcome = outcome.faultless().with_context(|| format!("{workers} workers"))?;
        let windows = outcome.windows.iter().zip(meter.windows()?).skip(1);
        for (sample, (window, cost)) in windows.enumerate() {
            let row = Row {
                connections: Some(most as u64),
                workers: Some(*workers as u64),
                ..rows.row_of(reuse, "contention", sample as u64)
            };
            rows.add(&row, "processors_count", processors.server.len() as u64);
            rows.add(&row, "shared_processors_count", u64::from(processors.is_shared));
            load::add_window(rows, &row, window);
            cost.add(rows, &row, profile);
        }
        child.stop()?;
        rows.commit()?;
    }
    Ok(())
}

/// The processors of a server with several workers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Processors {
    server: Vec<usize>,
    /// Whether the load generator's is among them.
    is_shared: bool,
}

/// One processor for each worker; the load generator's comes last.
fn processors(usable: &[usize], pinning: Option<Pinning>, workers: usize) -> Processors {
    let Some(Pinning { server_cpu, load_cpu, .. }) = pinning else {
        return Processors { server: usable.to_vec(), is_shared: true };
    };
    let others = usable.iter().copied().filter(|cpu| ![server_cpu, load_cpu].contains(cpu));
    let server: Vec<_> = [server_cpu].into_iter().chain(others).chain([load_cpu]).take(workers).collect();
    let is_shared = server.contains(&load_cpu);
    Processors { server, is_shared }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_processor_is_shared_only_if_there_is_no_other() {
        let pinning = Pinning { server_cpu: 0, guest_cpu: None, load_cpu: 1 };
        let of = |usable: &[usize], workers| {
            let Processors { server, is_shared } = processors(usable, Some(pinning), workers);
            (server, is_shared)
        };
        assert_eq!(of(&[0, 1], 1), (vec![0], false));
        assert_eq!(of(&[0, 1], 2), (vec![0, 1], true));
        assert_eq!(of(&[0, 1, 2, 3], 3), (vec![0, 2, 3], false));
        assert_eq!(of(&[0, 1, 2, 3], 9), (vec![0, 2, 3, 1], true));
        assert!(processors(&[5], None, 1).is_shared);
    }
}
