//! Taking up functions that have changed while the server runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use isolab_core::{Error, Library};

use crate::pool::prepare;
use crate::route::{Route, Routes};
use crate::state::ServerState;

/// Takes up functions that have changed, so that no request is lost.
pub struct Updater(Arc<ServerState>);

impl Updater {
    pub(crate) fn new(state: &Arc<ServerState>) -> Self {
        Self(Arc::clone(state))
    }

    /// Serves the functions of this library from now on. Functions of these names have changed; of all other functions
    /// that are served already, the instances stay.
    ///
    /// A function that is prepared now is prepared anew first, on the same executors. Until then the version that is
    /// served answers. Requests in work end on the version on which they began.
    ///
    /// # Errors
    /// Those of preparing. The functions that are served stay as they are.
    pub async fn take_up(&mut self, library: Library, changed: &BTreeSet<String>) -> Result<(), Vec<Error>> {
        let Self(state) = self;
        let before = state.routes();
        let routes = before.with(library, changed);
        let mut errors = Vec::new();
        for route in routes.without(&before).filter(|route| is_in_use(state, &before, route)) {
            errors.extend(prepare::prepared(&state.pools, route).await.err());
        }
        if errors.is_empty() {
            state.reroute(routes);
            return Ok(());
        }
        routes.without(&before).for_each(|route| state.pools.preparations.remove(route.index));
        Err(errors)
    }
}

/// Whether requests find an earlier version of the route's function prepared.
fn is_in_use(state: &ServerState, before: &Routes, route: &Route) -> bool {
    let mut earlier = before.of_executor(route.executor_index);
    let earlier = earlier.find(|earlier| earlier.function.name() == route.function.name());
    let preparation = earlier.and_then(|earlier| state.pools.preparations.get(earlier.index));
    preparation.is_some_and(|preparation| preparation.is_done())
}
