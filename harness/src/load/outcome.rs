//! Faults, and the histogram that every kind of load uses.

use hdrhistogram::Histogram;

/// Why an answer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, a broken connection, or an answer that is not HTTP.
    Transfer,
    /// An unexpected status.
    Status,
    /// An unexpected body.
    Body,
    /// No answer in time.
    TimedOut,
}

/// Faults by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults {
    /// No connection, a broken connection, or an answer that is not HTTP.
    pub transfer_count: u64,
    /// An unexpected status.
    pub status_count: u64,
    /// An unexpected body.
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

/// Everything that went wrong during a load.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    /// Faults by kind.
    pub faults: Faults,
    /// Right answers with a different body.
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

    /// Nothing, if there was no fault.
    ///
    /// # Errors
    /// If there was one; `during` names the kind of load.
    pub fn faultless(&self, during: &str) -> anyhow::Result<()> {
        let faults = self.faults.total();
        let first = self.first_fault.as_deref().unwrap_or("unknown");
        anyhow::ensure!(faults == 0, "{faults} faulty answers {during}, the first: {first}");
        Ok(())
    }
}

/// An empty histogram of durations in nanoseconds, to three significant digits. Durations of
/// more than ten minutes count as ten minutes.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("these bounds are valid")
}
