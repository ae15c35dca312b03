//! A fixed piece of work between the blocks: what it takes longer at one time than at
//! another, the machine is slower by, and no executor.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::affinity::{self, Pinning};

/// Steps of the loop: some ten milliseconds on a processor of today, long enough to see
/// a neighbour on the same core, short enough to be done between any two blocks.
const STEPS: u64 = 8_000_000;
/// Loops at each time; the fastest counts, since an interruption only makes one slower.
const LOOPS: usize = 3;

/// Does the work on the server's processor, while no server is there.
pub fn measure(pinning: Option<Pinning>) -> Result<Duration> {
    // A thread of its own, because the caller stays where the load generator belongs.
    let work = move || -> Result<Duration> {
        if let Some(pinning) = pinning {
            affinity::pin(pinning.server_cpu)?;
        }
        let times = (0..LOOPS).map(|_| {
            let begun = Instant::now();
            black_box(steps(black_box(STEPS)));
            begun.elapsed()
        });
        times.min().context("there is at least one loop")
    };
    let thread = std::thread::Builder::new().name("calibration".into()).spawn(work);
    let thread = thread.context("a thread for the calibration cannot be started")?;
    thread.join().map_err(|_| anyhow::anyhow!("the calibration panicked"))?
}

/// A chain of dependent multiplications and additions, the linear congruential generator
/// of D. E. Knuth's MMIX, so that neither the compiler nor the processor can take steps
/// at once.
fn steps(count: u64) -> u64 {
    (0..count).fold(1, |state: u64, _| {
        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_fixed() {
        // x' = a x + c mod 2^64 from x = 1, by hand.
        assert_eq!(steps(1), 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407);
        assert_ne!(steps(STEPS), steps(STEPS - 1));
        assert!(measure(None).unwrap() > Duration::ZERO);
    }
}
