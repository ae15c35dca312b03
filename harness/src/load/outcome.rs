//! What a load came to.

use hdrhistogram::Histogram;

/// Why an answer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, a broken one, or none of HTTP.
    Transfer,
    /// Another status than expected.
    Status,
    /// Another body than expected.
    Body,
    /// No answer in time.
    TimedOut,
}

/// Faults by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults {
    /// No connection, a broken one, or none of HTTP.
    pub transfer_count: u64,
    /// Another status than expected.
    pub status_count: u64,
    /// Another body than expected.
    pub body_count: u64,
    /// No answer in time.
    pub timed_out_count: u64,
}

impl Faults {
    /// Counts faults of one kind.
    pub fn add(&mut self, fault: Fault, count: u64) {
        let counter = match fault {
            Fault::Transfer => &mut self.transfer_count,
            Fault::Status => &mut self.status_count,
            Fault::Body => &mut self.body_count,
            Fault::TimedOut => &mut self.timed_out_count,
        };
        *counter += count;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.transfer_count + self.status_count + self.body_count + self.timed_out_count
    }
}

/// What did not go as it should, of a whole load.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    /// What does not count, by kind.
    pub faults: Faults,
    /// Right answers whose body was another than the expected one.
    pub differing: u64,
    /// The first fault in words.
    pub first_fault: Option<String>,
}

impl Problems {
    /// Counts faults of one kind.
    pub fn add(&mut self, fault: Fault, count: u64, reason: impl FnOnce() -> String) {
        self.faults.add(fault, count);
        self.first_fault.get_or_insert_with(reason);
    }

    /// An error if there was a fault; `during` says in what kind of load.
    pub fn faultless(&self, during: &str) -> anyhow::Result<()> {
        let faults = self.faults.total();
        let first = self.first_fault.as_deref().unwrap_or("not known");
        anyhow::ensure!(faults == 0, "{faults} faulty answers {during}, the first: {first}");
        Ok(())
    }
}

/// An empty histogram of durations in nanoseconds, to three significant digits. Ten
/// minutes is the longest that it tells apart: longer ones count as that.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("these bounds are valid")
}
