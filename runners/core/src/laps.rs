//! Named parts of a phase.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

/// The laps of one phase. The caller begins them with the phase; the executor marks the end
/// of each lap.
///
/// Marks after the eighth are dropped.
#[derive(Clone, Debug)]
pub struct Laps {
    begun: Instant,
    marks: ArrayVec<(&'static str, Instant), 8>,
}

impl Laps {
    /// Begins the first lap now.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), marks: ArrayVec::new() }
    }

    /// Ends the current lap under this name, and begins the next.
    pub fn mark(&mut self, lap: &'static str) {
        let _ = self.marks.try_push((lap, Instant::now()));
    }

    /// When the first lap began.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// The time from the beginning of the first lap to the end of the last one that was marked.
    pub fn elapsed(&self) -> Duration {
        self.marks.last().map_or(Duration::ZERO, |(_, end)| end.duration_since(self.begun))
    }

    /// The laps with their durations, in order.
    pub fn durations(&self) -> impl Iterator<Item = (&'static str, Duration)> + '_ {
        let begins = std::iter::once(self.begun).chain(self.marks.iter().map(|(_, end)| *end));
        self.marks.iter().zip(begins).map(|((lap, end), begin)| (*lap, end.duration_since(begin)))
    }
}

/// A duration in nanoseconds, the unit of records and rows. Durations beyond five centuries
/// become the largest number.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_adjoin() {
        let mut laps = Laps::begin();
        laps.mark("store");
        laps.mark("instantiate");
        let names: Vec<_> = laps.durations().map(|(lap, _)| lap).collect();
        assert_eq!(names, ["store", "instantiate"]);
        let total: Duration = laps.durations().map(|(_, duration)| duration).sum();
        assert_eq!(laps.begun() + total, laps.marks[1].1);
        assert_eq!((laps.elapsed(), Laps::begin().elapsed()), (total, Duration::ZERO));
    }

    #[test]
    fn marks_after_the_eighth_are_dropped() {
        let mut laps = Laps::begin();
        for _ in 0..20 {
            laps.mark("lap");
        }
        assert_eq!(laps.durations().count(), 8);
    }
}
