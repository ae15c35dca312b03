//! The state of a server and of each of its workers while they run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderValue;

use crate::config::Config;
use crate::http::body::HeldBodies;
use crate::pool::inbox::{Message, Role, ThreadHandle};
use crate::pool::tasks::Tasks;
use crate::pool::{self, Pool};
use crate::route::{Route, RouteError, Routes};
use crate::telemetry::metrics::WorkerMetrics;

/// Shared by all workers. Nothing in it is locked while a warm instance answers, except
/// the record of phases that [`Config::control`] asks for.
pub(crate) struct ServerState {
    pub(crate) config: Config,
    routes: RwLock<Arc<Routes>>,
    pub(crate) pools: Arc<pool::Shared>,
    pub(crate) bodies: HeldBodies,
}

impl ServerState {
    pub(crate) fn new(config: Config, routes: Routes, pools: pool::Shared) -> Self {
        let routes = RwLock::new(Arc::new(routes));
        Self { config, routes, pools: Arc::new(pools), bodies: HeldBodies::default() }
    }

    /// The present routes. Workers have them at hand: see [`WorkerState::find`].
    pub(crate) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends requests to these routes from now on. Requests in work end where they are.
    pub(crate) fn reroute(&self, routes: Routes) {
        let routes = Arc::new(routes);
        let before = {
            let mut current = self.routes.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, Arc::clone(&routes))
        };
        before.give_way_to(&routes);
        self.threads().iter().for_each(|thread| thread.tell(Message::Reroute));
        before.without(&routes).for_each(|route| self.pools.preparations.remove(route.index));
    }

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
    routes: RefCell<Arc<Routes>>,
    /// By the route's index; a pool is made when it is first needed.
    pools: RefCell<Vec<Option<Rc<Pool>>>>,
}

impl WorkerState {
    pub(crate) fn new(server: &Arc<ServerState>, index: usize) -> Self {
        Self {
            server: Arc::clone(server),
            metrics: Arc::clone(&server.threads()[index].metrics),
            tasks: Rc::default(),
            until_bill: Cell::new(1),
            index,
            routes: RefCell::new(server.routes()),
            pools: RefCell::default(),
        }
    }

    /// Whether the server bills the next request by itself.
    pub(crate) fn is_bill_due(&self) -> bool {
        let Some(every) = self.server.config.bill_every else { return false };
        let left = self.until_bill.get() - 1;
        self.until_bill.set(if left == 0 { every.get() } else { left });
        left == 0
    }

    /// This thread's instances of the function of that name, on the executor that the header chooses.
    pub(crate) fn find(&self, name: &str, header: Option<&HeaderValue>) -> Result<Rc<Pool>, RouteError> {
        Ok(self.pool(self.routes.borrow().find(name, header)?))
    }

    /// This thread's instances of a function on an executor.
    pub(crate) fn pool(&self, route: &Arc<Route>) -> Rc<Pool> {
        if let Some(Some(pool)) = self.pools.borrow().get(route.index) {
            return Rc::clone(pool);
        }
        self.make_pool(route)
    }

    #[cold]
    fn make_pool(&self, route: &Arc<Route>) -> Rc<Pool> {
        let pool = Rc::new(Pool::new(&self.server.pools, route, self.index, &self.tasks));
        let mut pools = self.pools.borrow_mut();
        if pools.len() <= route.index {
            pools.resize(route.index + 1, None);
        }
        pools[route.index] = Some(Rc::clone(&pool));
        pool
    }

    /// The pools that were needed so far.
    pub(crate) fn pools(&self) -> Vec<Rc<Pool>> {
        self.pools.borrow().iter().flatten().cloned().collect()
    }

    /// Sends requests to the server's present routes from now on, and stops the idle instances of others.
    pub(crate) fn reroute(&self) {
        *self.routes.borrow_mut() = self.server.routes();
        for pool in self.pools().into_iter().filter(|pool| pool.route.is_replaced()) {
            pool.retire_idle();
            self.pools.borrow_mut()[pool.route.index] = None;
        }
    }

    /// Stops one idle instance of an executor while a request waits for its place.
    pub(crate) fn evict(&self, executor_index: usize) {
        // Every worker gets the message; another may have freed a place already.
        if self.server.pools.capacities[executor_index].waiting() == 0 {
            return;
        }
        let mut pools = self.pools().into_iter().filter(|pool| pool.route.executor_index == executor_index);
        if let Some((pool, slot)) = pools.find_map(|pool| pool.pop_idle().map(|slot| (pool, slot))) {
            pool.retire(slot);
        }
    }

    /// Stops all idle instances.
    pub(crate) fn stop_idle(&self) {
        self.pools().iter().for_each(Pool::retire_idle);
    }

    /// Stops the idle instances of one route, unless it has changed its pace again.
    pub(crate) fn leave(&self, route: usize) {
        let pool = self.pools.borrow().get(route).cloned().flatten();
        if let Some(pool) = pool.filter(|pool| !pool.is_needed()) {
            pool.retire_idle();
        }
    }
}
