//! The limits of a function's instances.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The limits of one instance. Every executor enforces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory of the sandbox, in bytes.
    pub memory_bytes: u64,
    /// Wall-clock time of one `invoke`.
    pub deadline: Duration,
    /// Body of a response, in bytes.
    pub response_bytes: u64,
    /// Body of a request that the function takes as a stream, in bytes. The front end has its own
    /// bound for bodies that it keeps whole.
    pub request_bytes: u64,
}

impl Limits {
    /// The memory limits that every executor can enforce, in bytes.
    pub const MEMORY_BYTES: RangeInclusive<u64> = (1 << 20)..=(4 << 30);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 << 20,
            deadline: Duration::from_secs(10),
            response_bytes: 16 << 20,
            request_bytes: 16 << 20,
        }
    }
}

/// The limits that a function sets; the lab's defaults hold for the others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnLimits {
    pub(super) memory_bytes: Option<u64>,
    pub(super) deadline: Option<Duration>,
    pub(super) response_bytes: Option<u64>,
    pub(super) request_bytes: Option<u64>,
}

impl OwnLimits {
    /// These limits, completed by the defaults.
    pub(super) fn or(self, defaults: Limits) -> Limits {
        Limits {
            memory_bytes: self.memory_bytes.unwrap_or(defaults.memory_bytes),
            deadline: self.deadline.unwrap_or(defaults.deadline),
            response_bytes: self.response_bytes.unwrap_or(defaults.response_bytes),
            request_bytes: self.request_bytes.unwrap_or(defaults.request_bytes),
        }
    }
}
