//! A calibration loop between the blocks. If this loop slows down, the machine did, not an
//! executor.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::host::affinity::{self, Pinning};

/// Rounds of the loop. They take about ten milliseconds on a current processor: long enough to
/// notice a neighbour on the same core, short enough to run between any two blocks.
const ROUNDS: u32 = 1 << 20;
/// Loops at each point in time, of which the median counts: an interruption slows one of them, a
/// neighbour slows all.
const LOOPS: usize = 5;
/// Independent chains of operations. With a single chain the core would mostly wait, and would
/// not notice a neighbour that uses the same core.
const LANES: usize = 8;
/// Numbers in the table that the chains use: 128 KiB, more than a first-level cache.
const TABLE: usize = 1 << TABLE_BITS;
const TABLE_BITS: u32 = 14;

/// The median time of the loop on the server's processor, while no server runs.
///
/// # Errors
/// If the thread cannot start, or cannot be pinned.
pub fn measure(pinning: Option<Pinning>) -> Result<Duration> {
    // On a thread of its own, because the caller keeps the load generator's processor.
    let work = move || -> Result<Duration> {
        if let Some(pinning) = pinning {
            affinity::pin(pinning.server_cpu)?;
        }
        let mut table = vec![0; TABLE];
        let mut times = [Duration::ZERO; LOOPS];
        for time in &mut times {
            table.fill(0);
            let begun = Instant::now();
            black_box(work(&mut table, black_box(ROUNDS)));
            *time = begun.elapsed();
        }
        times.sort_unstable();
        Ok(times[LOOPS / 2])
    };
    let thread = std::thread::Builder::new().name("calibration".into()).spawn(work);
    let thread = thread.context("cannot start the calibration thread")?;
    thread.join().map_err(|_| anyhow::anyhow!("the calibration panicked"))?
}

/// Multiplications, rotations, reads and writes, in parallel as far as the core can. A
/// neighbour on the same core or in the same cache slows them as it slows any program.
fn work(table: &mut [u64], rounds: u32) -> u64 {
    let mut lanes: [u64; LANES] = std::array::from_fn(|lane| lane as u64 + 1);
    for _ in 0..rounds {
        for lane in &mut lanes {
            // The constants of D. E. Knuth's MMIX. The exclusive or keeps a compiler from merging
            // rounds.
            *lane = lane.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let slot = &mut table[(*lane >> (u64::BITS - TABLE_BITS)) as usize];
            *lane ^= slot.rotate_left(29);
            *slot = *lane;
        }
    }
    lanes.into_iter().fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_always_the_same_and_complete() {
        let done = |rounds| work(&mut vec![0; TABLE], rounds);
        // One multiplication and addition of 1 to 8, modulo 2^64, in an empty table.
        let first = 36_u64
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(8_u64.wrapping_mul(1_442_695_040_888_963_407));
        assert_eq!(done(1), first);
        assert_eq!(done(1000), done(1000));
        assert_ne!(done(ROUNDS), done(ROUNDS - 1));
        assert!(measure(None).unwrap() > Duration::ZERO);
    }
}
