//! Values by the index of a route. Routes come while the server runs, so the values are made when they are first needed.

use std::sync::{Arc, PoisonError, RwLock};

/// One value for each route. No request of a prepared function looks in here.
pub(crate) struct ByRoute<T>(RwLock<Vec<Option<Arc<T>>>>);

impl<T> Default for ByRoute<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> ByRoute<T> {
    /// The value of a route, if it has been made.
    pub(crate) fn get(&self, index: usize) -> Option<Arc<T>> {
        // No code that can panic runs under the lock.
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(index)?.clone()
    }

    /// The value of a route, made at the first call.
    pub(crate) fn get_or_make(&self, index: usize, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(value) = self.get(index) {
            return value;
        }
        let new = Arc::new(make());
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if values.len() <= index {
            values.resize_with(index + 1, || None);
        }
        Arc::clone(values[index].get_or_insert(new))
    }

    /// Forgets the value of a route.
    pub(crate) fn remove(&self, index: usize) {
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = values.get_mut(index) {
            *value = None;
        }
    }
}
