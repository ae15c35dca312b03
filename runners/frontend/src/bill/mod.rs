//! The bill of one answer: the time, CPU time, page faults and memory of its invocation.
//!
//! - [`meter`]: the CPU time and faults of the thread that executes a phase.
//! - [`watch`]: tells without a system call that a thread's faults have not changed.
//! - [`groups`]: the same for control groups outside of this process.
//! - [`ledger`]: the books of an instance between two bills.

pub(crate) mod groups;
pub(crate) mod ledger;
pub(crate) mod meter;
mod processes;
pub(crate) mod watch;

use std::ops::{AddAssign, Sub};
use std::time::Duration;

use http::HeaderValue;
use isolab_core::laps::nanoseconds;

use crate::text::Text;

/// CPU time and page faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user code and in the kernel, in nanoseconds.
    pub cpu_ns: u64,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that needed one.
    pub major_faults: u64,
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        self.cpu_ns += more.cpu_ns;
        self.minor_faults += more.minor_faults;
        self.major_faults += more.major_faults;
    }
}

/// Which answers are billed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Billing {
    /// The client of this request asked for the bill.
    pub(crate) is_asked: bool,
    /// The server bills by itself, and this answer is one of those.
    pub(crate) is_constant: bool,
}

impl Billing {
    pub(crate) fn is_on(self) -> bool {
        self.is_asked || self.is_constant
    }
}

/// The most memory that was held at one time, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peak {
    /// During the invocation.
    Invocation(u64),
    /// Since the instance was started: the kernel does not let this process begin a new peak.
    Instance(u64),
    /// Unknown, for this reason.
    Unknown(&'static str),
}

/// Usage of control groups outside of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// There are none.
    Nothing,
    /// They were read.
    Read {
        /// Their usage since they were read last, or since the instance was created.
        usage: Usage,
        /// The number of billed answers since then, this one included.
        answers: u64,
    },
    /// They will be read for a later answer. Holds the number of answers that wait for it.
    Later(u64),
    /// They could not be read.
    Unreadable,
}

/// The time of one invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// From its beginning to its end.
    pub wall: Duration,
    /// The part of that in which no code of it ran on the server's thread.
    pub waited: Duration,
}

/// The bill of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The time of the invocation, without a start.
    pub time: Time,
    /// Usage of the server's thread by the invocation, and by the start if the instance was
    /// started for this request.
    pub thread: Usage,
    /// Usage outside of the server's process.
    pub outside: Outside,
    /// The most memory that the instance held at one time; `None` if it is billed later.
    pub peak: Option<Peak>,
}

/// Bytes of the longest bill: twenty digits for each number, and the longest reason.
const LONGEST_BYTES: usize = 512;

impl Bill {
    /// The bill as the value of a header, a dictionary of HTTP's structured fields (RFC 9651):
    /// integers with their unit in the key, and reasons as strings.
    pub fn value(&self) -> HeaderValue {
        self.text().value()
    }

    fn text(&self) -> Text<LONGEST_BYTES> {
        let mut text = Text::new();
        let Usage { cpu_ns, minor_faults, major_faults } = self.thread;
        push(&mut text, "wall_ns=", nanoseconds(self.time.wall));
        push(&mut text, ", waiting_ns=", nanoseconds(self.time.waited));
        push(&mut text, ", cpu_ns=", cpu_ns);
        push(&mut text, ", minor_faults=", minor_faults);
        push(&mut text, ", major_faults=", major_faults);
        match self.outside {
            Outside::Nothing => {}
            Outside::Read { usage, answers } => {
                push(&mut text, ", outside_cpu_ns=", usage.cpu_ns);
                push(&mut text, ", outside_minor_faults=", usage.minor_faults);
                push(&mut text, ", outside_major_faults=", usage.major_faults);
                push(&mut text, ", outside_answers=", answers);
            }
            Outside::Later(answers) => push(&mut text, ", outside_unread_answers=", answers),
            Outside::Unreadable => text.push(b", outside_unknown=\"its control group cannot be read\""),
        }
        match self.peak {
            None => {}
            Some(Peak::Invocation(bytes)) => push(&mut text, ", peak_memory_bytes=", bytes),
            Some(Peak::Instance(bytes)) => push(&mut text, ", instance_peak_memory_bytes=", bytes),
            Some(Peak::Unknown(reason)) => {
                text.push(b", peak_memory_unknown=\"");
                text.push(reason.as_bytes());
                text.push(b"\"");
            }
        }
        text
    }
}

fn push(text: &mut Text<LONGEST_BYTES>, key: &str, value: u64) {
    text.push(key.as_bytes());
    text.push_number(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_a_dictionary_of_integers_with_units() {
        let thread = Usage { cpu_ns: 12_034, minor_faults: 3, major_faults: 0 };
        let time = Time { wall: Duration::from_micros(20), waited: Duration::from_micros(5) };
        let bill = Bill { time, thread, outside: Outside::Nothing, peak: Some(Peak::Invocation(65_536)) };
        let value = bill.value();
        assert_eq!(
            value,
            "wall_ns=20000, waiting_ns=5000, cpu_ns=12034, minor_faults=3, major_faults=0, peak_memory_bytes=65536"
        );
        let bill = Bill { outside: Outside::Later(7), peak: None, ..bill };
        assert!(bill.value().as_bytes().ends_with(b"major_faults=0, outside_unread_answers=7"));
    }

    #[test]
    fn every_kind_of_bill_is_the_value_of_a_header() {
        let most = Usage { cpu_ns: u64::MAX, minor_faults: u64::MAX, major_faults: u64::MAX };
        for outside in [Outside::Nothing, Outside::Read { usage: most, answers: 9 }, Outside::Unreadable] {
            for peak in [Peak::Invocation(1), Peak::Instance(u64::MAX), Peak::Unknown("a reason")] {
                let time = Time { wall: Duration::MAX, waited: Duration::MAX };
                let value = Bill { time, thread: most, outside, peak: Some(peak) }.value();
                assert!(value.to_str().is_ok(), "{value:?}");
            }
        }
    }
}
