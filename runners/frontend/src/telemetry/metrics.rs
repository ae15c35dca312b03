//! Counting on the hot path.
//!
//! Every worker has counters of its own. A counter has one writer: counting is a load
//! and a store of an atomic that no other processor writes. `/-/metrics` adds up the
//! counters of all workers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use isolab_core::Phase;
use isolab_core::laps::nanoseconds;

use crate::bill::Usage;
use crate::by_route::ByRoute;

/// The phases in the order in which they are counted.
pub(crate) const PHASES: [Phase; 4] = [Phase::Prepare, Phase::Start, Phase::Invoke, Phase::Stop];

/// A number with one writer at a time.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, less: u64) {
        self.0.store(self.get().wrapping_sub(less), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Responses by status.
pub(crate) struct Responses(Box<[Count]>);

impl Responses {
    const LEAST: u16 = 100;
    const MOST: u16 = 599;

    pub(crate) fn count(&self, status: StatusCode) {
        self.0[usize::from(status.as_u16().clamp(Self::LEAST, Self::MOST) - Self::LEAST)].add(1);
    }

    /// The statuses that were sent, and how often.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let all = (Self::LEAST..).zip(self.0.iter().map(Count::get));
        all.filter(|(_, count)| *count > 0)
    }
}

impl Default for Responses {
    fn default() -> Self {
        Self((Self::LEAST..=Self::MOST).map(|_| Count::default()).collect())
    }
}

/// Durations in buckets that double, up to 1.024 µs, 2.048 µs, … 68.7 s, and longer:
/// the number of bits of a duration gives its bucket.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Count; Self::BUCKETS],
    sum_ns: Count,
}

impl Histogram {
    /// Bits of the first bucket's bound in nanoseconds: 2^10 ns.
    const FIRST_BITS: u32 = 10;
    /// 27 buckets with a bound, 2^10 to 2^36 ns, and one without.
    pub(crate) const BUCKETS: usize = 28;

    pub(crate) fn record(&self, duration: Duration) {
        let duration_ns = nanoseconds(duration);
        let bits = u64::BITS - duration_ns.saturating_sub(1).leading_zeros();
        let bucket = bits.saturating_sub(Self::FIRST_BITS) as usize;
        self.buckets[bucket.min(Self::BUCKETS - 1)].add(1);
        self.sum_ns.add(duration_ns);
    }

    /// The upper bound of a bucket, in nanoseconds; `None` for the last.
    pub(crate) fn bound_ns(bucket: usize) -> Option<u64> {
        (bucket < Self::BUCKETS - 1).then(|| 1 << (Self::FIRST_BITS as usize + bucket))
    }

    pub(crate) fn read(&self) -> Durations {
        Durations { buckets: self.buckets.each_ref().map(Count::get), sum_ns: self.sum_ns.get() }
    }
}

/// The contents of one or more histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    pub(crate) buckets: [u64; Histogram::BUCKETS],
    pub(crate) sum_ns: u64,
}

impl Durations {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl std::ops::AddAssign for Durations {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += more;
        }
        self.sum_ns += other.sum_ns;
    }
}

/// A sum of usage.
#[derive(Debug, Default)]
pub(crate) struct UsageCount {
    cpu_ns: Count,
    minor_faults: Count,
    major_faults: Count,
}

impl UsageCount {
    pub(crate) fn add(&self, usage: Usage) {
        self.cpu_ns.add(usage.cpu_ns);
        if usage.minor_faults > 0 {
            self.minor_faults.add(usage.minor_faults);
        }
        if usage.major_faults > 0 {
            self.major_faults.add(usage.major_faults);
        }
    }

    pub(crate) fn get(&self) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns.get(),
            minor_faults: self.minor_faults.get(),
            major_faults: self.major_faults.get(),
        }
    }
}

/// The bills of one function on one executor, added up.
#[derive(Debug, Default)]
pub(crate) struct BillCounts {
    /// The number of bills.
    pub(crate) answers: Count,
    phases: [UsageCount; PHASES.len()],
    /// Outside of this process, in all phases.
    pub(crate) outside: UsageCount,
}

impl BillCounts {
    /// The usage of this process's threads in a phase.
    pub(crate) fn phase(&self, phase: Phase) -> &UsageCount {
        &self.phases[place(phase)]
    }
}

fn place(phase: Phase) -> usize {
    PHASES.iter().position(|known| *known == phase).expect("PHASES holds every phase")
}

/// One worker's counts of one function on one executor.
#[derive(Default)]
pub(crate) struct CellMetrics {
    pub(crate) responses: Responses,
    pub(crate) bill: BillCounts,
    phases: [Histogram; PHASES.len()],
    pub(crate) live: Count,
    pub(crate) idle: Count,
}

impl CellMetrics {
    pub(crate) fn phase(&self, phase: Phase) -> &Histogram {
        &self.phases[place(phase)]
    }
}

/// One worker's counts.
#[derive(Default)]
pub(crate) struct WorkerMetrics {
    /// Connections of the worker. The acceptor counts them up, the worker down.
    pub(crate) open: AtomicUsize,
    /// Responses to requests without a route.
    pub(crate) unrouted: Responses,
    cells: ByRoute<CellMetrics>,
}

impl WorkerMetrics {
    /// The counts of a route's cell. They are made at the first call.
    pub(crate) fn cell(&self, index: usize) -> Arc<CellMetrics> {
        self.cells.get_or_make(index, CellMetrics::default)
    }

    /// The counts of a route's cell, if the worker has served it.
    pub(crate) fn existing(&self, index: usize) -> Option<Arc<CellMetrics>> {
        self.cells.get(index)
    }
}

impl fmt::Debug for WorkerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerMetrics").field("open", &self.open).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for nanoseconds in [0, 1, 1_024, 1_025, 2_048, 1 << 36, (1 << 36) + 1, u64::MAX / 2] {
            let before = histogram.read();
            histogram.record(Duration::from_nanos(nanoseconds));
            let after = histogram.read();
            let bucket = (0..Histogram::BUCKETS)
                .find(|bucket| Histogram::bound_ns(*bucket).is_none_or(|bound| nanoseconds <= bound))
                .unwrap();
            assert_eq!(after.buckets[bucket], before.buckets[bucket] + 1, "{nanoseconds} ns");
            assert_eq!(after.count(), before.count() + 1);
            assert_eq!(after.sum_ns, before.sum_ns + nanoseconds);
        }
    }

    #[test]
    fn responses_are_counted_by_status() {
        let responses = Responses::default();
        for status in [200, 503, 200, 599] {
            responses.count(StatusCode::from_u16(status).unwrap());
        }
        assert_eq!(responses.iter().collect::<Vec<_>>(), [(200, 2), (503, 1), (599, 1)]);
    }
}
