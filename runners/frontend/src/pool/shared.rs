//! The state that the pools of all threads share.

use std::sync::Arc;
use std::time::Duration;

use isolab_core::Reuse;

use super::capacity::Capacity;
use super::computing::Computing;
use super::inbox::{Message, Role, ThreadHandle};
use super::prepare::Preparation;
use crate::by_route::ByRoute;
use crate::pace::Change;
use crate::route::Route;
use crate::telemetry::record::Recorder;

/// Shared by the pools of all threads.
pub(crate) struct Shared {
    pub(crate) reuse: Reuse,
    /// Whether the server bills by itself.
    pub(crate) bill: bool,
    /// How long a request waits for an instance, for a preparation or for a compute thread.
    pub(crate) queue_wait: Duration,
    pub(crate) preparations: ByRoute<Preparation>,
    /// The most requests that wait for one preparation.
    pub(crate) queue: usize,
    /// By the executor's index.
    pub(crate) capacities: Vec<Capacity>,
    pub(crate) computing: Computing,
    /// Workers, compute threads, and places for more of both.
    pub(crate) threads: Vec<ThreadHandle>,
    /// Only with [`Config::control`](crate::Config::control).
    pub(crate) recorder: Option<Recorder>,
}

impl Shared {
    /// How far a route's function is prepared.
    pub(crate) fn preparation(&self, route: &Route) -> Arc<Preparation> {
        self.preparations.get_or_make(route.index, || Preparation::new(self.queue))
    }

    /// The threads in this role.
    pub(crate) fn in_role(&self, role: Role) -> impl Iterator<Item = (usize, &ThreadHandle)> {
        self.threads.iter().enumerate().filter(move |(_, thread)| thread.role() == role)
    }

    /// Asks every thread to stop one idle instance of an executor, so that a waiting
    /// request gets its place.
    pub(crate) fn evict(&self, executor_index: usize) {
        for role in [Role::Worker, Role::Compute] {
            self.in_role(role).for_each(|(_, thread)| thread.tell(Message::Evict(executor_index)));
        }
    }

    /// After a route's change of pace, its idle instances are on threads that no longer need them.
    pub(crate) fn leave(&self, route: usize, change: Change) {
        let role = match change {
            Change::ToQuick => Role::Compute,
            Change::ToSlow => Role::Worker,
        };
        self.in_role(role).for_each(|(_, thread)| thread.tell(Message::Leave(route)));
    }
}
