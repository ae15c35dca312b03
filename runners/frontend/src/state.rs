//! The state of a server and of each of its workers while they run.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::Config;
use crate::http::body::HeldBodies;
use crate::pool::inbox::{Role, ThreadHandle};
use crate::pool::tasks::Tasks;
use crate::pool::{self, Pool};
use crate::route::{Route, Routes};
use crate::telemetry::metrics::WorkerMetrics;

/// Shared by all workers. Nothing in it is locked while a warm instance answers, except
/// the record of phases that [`Config::control`] asks for.
pub(crate) struct ServerState {
    pub(crate) config: Config,
    pub(crate) routes: Routes,
    pub(crate) pools: Arc<pool::Shared>,
    pub(crate) bodies: HeldBodies,
}

impl ServerState {
    /// Workers, compute threads, and places for more of both.
    pub(crate) fn threads(&self) -> &[ThreadHandle] {
        &self.pools.threads
    }

    /// The worker with the fewest connections among those that no guest holds up.
    pub(crate) fn free_worker(&self) -> Option<&ThreadHandle> {
        let workers = self.pools.in_role(Role::Worker).map(|(_, worker)| worker);
        let free = workers.filter(|worker| !worker.is_stalled.load(Ordering::Relaxed));
        free.min_by_key(|worker| worker.metrics.open.load(Ordering::Relaxed))
    }
}

/// Owned by one worker or compute thread.
pub(crate) struct WorkerState {
    pub(crate) server: Arc<ServerState>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    /// Starts and stops of instances that no connection waits for.
    pub(crate) tasks: Rc<Tasks>,
    /// Requests until the server bills one by itself.
    until_bill: Cell<u32>,
    /// This thread's index among all threads.
    pub(crate) index: usize,
    /// By the route's index; a pool is made when it is first needed.
    pools: Vec<OnceCell<Rc<Pool>>>,
}

impl WorkerState {
    pub(crate) fn new(server: &Arc<ServerState>, index: usize) -> Self {
        Self {
            server: Arc::clone(server),
            metrics: Arc::clone(&server.threads()[index].metrics),
            tasks: Rc::default(),
            until_bill: Cell::new(1),
            index,
            pools: (0..server.routes.len()).map(|_| OnceCell::new()).collect(),
        }
    }

    /// Whether the server bills the next request by itself.
    pub(crate) fn is_bill_due(&self) -> bool {
        let Some(every) = self.server.config.bill_every else { return false };
        let left = self.until_bill.get() - 1;
        self.until_bill.set(if left == 0 { every.get() } else { left });
        left == 0
    }

    /// This thread's instances of a function on an executor.
    pub(crate) fn pool(&self, route: &Arc<Route>) -> &Rc<Pool> {
        self.pools[route.index]
            .get_or_init(|| Rc::new(Pool::new(&self.server.pools, route, self.index, &self.tasks)))
    }

    /// The pools that were needed so far.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Rc<Pool>> {
        self.pools.iter().filter_map(OnceCell::get)
    }

    /// Stops one idle instance of an executor while a request waits for its place.
    pub(crate) fn evict(&self, executor_index: usize) {
        // Every worker gets the message; another may have freed a place already.
        if self.server.pools.capacities[executor_index].waiting() == 0 {
            return;
        }
        let mut pools = self.pools().filter(|pool| pool.route.executor_index == executor_index);
        if let Some((pool, slot)) = pools.find_map(|pool| pool.pop_idle().map(|slot| (pool, slot))) {
            pool.retire(slot);
        }
    }

    /// Stops all idle instances.
    pub(crate) fn stop_idle(&self) {
        self.pools().for_each(Pool::retire_idle);
    }

    /// Stops the idle instances of one route, unless it has changed its pace again.
    pub(crate) fn leave(&self, route: usize) {
        let left = |pool: &&Rc<Pool>| pool.route.index == route && !pool.is_needed();
        self.pools().filter(left).for_each(Pool::retire_idle);
    }
}
