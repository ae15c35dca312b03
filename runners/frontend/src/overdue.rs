//! The chance that a guest gets to let go of its thread after its deadline.
//!
//! The guest's own thread ends it: that thread must run to find out that its guest was interrupted. A
//! compute thread runs only while its processor has nothing else to do, and on a busy host it may not run for
//! seconds. So time counts only while the thread computes, or while it waits for something other than a
//! processor. Half-way the thread takes turns with all others, where this process may have it do so.

use std::time::Duration;

use nix::unistd::Pid;
use tokio::time::Instant;

use crate::pool::inbox::Role;
use crate::processor::{self, Share};

/// How much of a chance a guest has. Executors interrupt it within some milliseconds.
const GRACE: Duration = Duration::from_secs(1);

/// After this time without a processor the client has waited long enough.
const LONGEST: Duration = Duration::from_secs(10);

/// A guest that holds its thread beyond its deadline.
pub(crate) struct Overdue {
    thread: Pid,
    since: Instant,
    looked_at: Instant,
    /// The time that the thread had computed at the last look.
    computed: Duration,
    chance: Duration,
    gives_way: bool,
    is_raised: bool,
}

impl Overdue {
    /// Begins at the guest's deadline. `None` if the thread has ended.
    pub(crate) fn begin(thread: Pid, role: Role) -> Option<Self> {
        let now = Instant::now();
        let Share { computed, .. } = Share::of(thread)?;
        Some(Self {
            thread,
            since: now,
            looked_at: now,
            computed,
            chance: Duration::ZERO,
            gives_way: role == Role::Compute,
            is_raised: false,
        })
    }

    /// Looks at the thread, and says whether its guest has had its chance.
    pub(crate) fn is_over(&mut self) -> bool {
        let now = Instant::now();
        if let Some(share) = Share::of(self.thread) {
            let computed = share.computed.saturating_sub(self.computed);
            self.chance += if share.is_runnable { computed } else { now.duration_since(self.looked_at) };
            self.computed = share.computed;
        }
        self.looked_at = now;
        let elapsed = now.duration_since(self.since);
        if self.gives_way && elapsed > GRACE / 2 && !self.is_raised {
            self.is_raised = processor::take_turns(self.thread).is_ok();
        }
        self.chance > GRACE || elapsed > LONGEST
    }
}

impl Drop for Overdue {
    /// A thread that is lost gives way as well: its guest computes for ever.
    fn drop(&mut self) {
        if self.is_raised {
            processor::give_way(self.thread);
        }
    }
}
