//! From a path and a header to the function and the executor that answer.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use http::HeaderValue;
use isolab_core::{Cause, Error, Executor, Function, Library, Phase, Spec, Variant};
use percent_encoding::percent_decode_str;

use crate::backoff::Backoff;
use crate::pace::Pace;

/// An executor as it is served.
pub(crate) struct Served {
    pub(crate) executor: Arc<dyn Executor>,
    /// The short form of its spec.
    pub(crate) spec: String,
    /// The spec as the value of a response's header.
    pub(crate) header: HeaderValue,
}

/// One function on one executor, in the one variant that is served. A function that changes while the
/// server runs gets new routes.
pub(crate) struct Route {
    /// The index among all routes that the server has had.
    pub(crate) index: usize,
    /// The executor's index among those served.
    pub(crate) executor_index: usize,
    pub(crate) served: Arc<Served>,
    pub(crate) function: Arc<Function>,
    pub(crate) variant: Variant,
    pub(crate) pace: Pace,
    pub(crate) backoff: Backoff,
    /// The threads that it holds for ever.
    pub(crate) lost: Lost,
    /// Whether requests no longer come here, because the function has changed.
    is_replaced: AtomicBool,
}

impl Route {
    /// Whether requests no longer come here, because the function has changed or is gone.
    pub(crate) fn is_replaced(&self) -> bool {
        self.is_replaced.load(Ordering::Relaxed)
    }

    /// The error of a phase of this route.
    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.served.spec, self.function.name(), cause)
    }

    /// The error of a phase that the executor cannot interrupt.
    pub(crate) fn uninterrupted(&self, phase: Phase) -> Error {
        self.error(phase, Cause::DeadlineExceeded(self.function.limits().deadline)).hint(
            "the sandbox could not be interrupted: it keeps a thread, its memory and its place until the server ends",
        )
    }
}

/// The threads that were inside a phase of one route for so long that the server gave them up.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    pub(crate) workers: AtomicUsize,
    pub(crate) compute_threads: AtomicUsize,
}

impl Lost {
    /// The number of threads that have been lost.
    pub(crate) fn all(&self) -> usize {
        self.workers.load(Ordering::Relaxed) + self.compute_threads.load(Ordering::Relaxed)
    }
}

/// A request's thread was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    /// The phase that does not end.
    pub(crate) phase: Phase,
    /// Whether this request is in that phase.
    pub(crate) is_guilty: bool,
}

/// Why a request has no route. Each text says what the client can choose instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    /// No function has this name.
    #[error("{0}")]
    UnknownFunction(String),
    /// The header is not an executor spec, or names an executor that is not served.
    #[error("{0}")]
    BadSpec(String),
    /// The executor cannot run the function in the variant that is served.
    #[error("`{function}` cannot run on {executor}: {reason}")]
    UnsupportedCell { executor: String, function: String, reason: String },
}

/// How routes are made from functions.
#[derive(Clone, Copy)]
pub(crate) struct Making {
    /// The variant of all functions; without one, the first that the executor can run.
    pub(crate) variant: Option<Variant>,
    pub(crate) has_compute_threads: bool,
    pub(crate) queue: usize,
}

/// All routes. They change only as a whole: see [`Routes::with`].
pub(crate) struct Routes {
    pub(crate) executors: Vec<Arc<Served>>,
    pub(crate) library: Library,
    making: Making,
    /// The pairs of each function with every executor, by the function's name; the reason if a pair cannot run.
    pairs: BTreeMap<String, Vec<Result<Arc<Route>, String>>>,
    /// The routes of earlier versions of functions, of which some still answer.
    replaced: Vec<Weak<Route>>,
    /// The index of the next route.
    next_index: usize,
}

impl Routes {
    pub(crate) fn new(executors: Vec<Arc<Served>>, library: Library, making: Making) -> Self {
        let none = Self {
            executors,
            library: Library::default(),
            making,
            pairs: BTreeMap::new(),
            replaced: Vec::new(),
            next_index: 0,
        };
        none.with(library, &BTreeSet::new())
    }

    /// The routes to the functions of this library. Those of functions that are in both libraries stay, unless they
    /// have changed.
    pub(crate) fn with(&self, library: Library, changed: &BTreeSet<String>) -> Self {
        let mut next_index = self.next_index;
        let mut pairs = BTreeMap::new();
        for function in library.iter() {
            let name = function.name().to_owned();
            let known = self.pairs.get(&name).filter(|_| !changed.contains(&name));
            let cells = known.cloned().unwrap_or_else(|| {
                let function = Arc::new(function.clone());
                let executors = self.executors.iter().enumerate();
                executors.map(|executor| self.making.route(executor, &function, &mut next_index)).collect()
            });
            pairs.insert(name, cells);
        }
        let mut with = Self {
            executors: self.executors.clone(),
            library,
            making: self.making,
            pairs,
            replaced: Vec::new(),
            next_index,
        };
        with.replaced = self.without(&with).map(Arc::downgrade).collect();
        with.replaced.extend(self.replaced.iter().filter(|route| route.strong_count() > 0).cloned());
        with
    }

    /// The routes that the others lack.
    pub(crate) fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Arc<Route>> {
        let others: BTreeSet<_> = other.iter().map(|route| route.index).collect();
        self.iter().filter(move |route| !others.contains(&route.index))
    }

    /// Notes that requests come to these routes no longer, and to their successors instead.
    pub(crate) fn give_way_to(&self, successors: &Self) {
        self.without(successors).for_each(|route| route.is_replaced.store(true, Ordering::Relaxed));
    }

    /// The pairs that can run, executor by executor.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        (0..self.executors.len()).flat_map(|executor_index| self.of_executor(executor_index))
    }

    /// The route with this index, if it can still answer.
    pub(crate) fn by_index(&self, index: usize) -> Option<Arc<Route>> {
        let current = self.iter().find(|route| route.index == index).cloned();
        current.or_else(|| self.replaced.iter().filter_map(Weak::upgrade).find(|route| route.index == index))
    }

    /// The pairs of one executor that can run.
    pub(crate) fn of_executor(&self, executor_index: usize) -> impl Iterator<Item = &Arc<Route>> {
        self.pairs.values().filter_map(move |cells| cells[executor_index].as_ref().ok())
    }

    /// The function of this name on the executor that the header chooses; without a
    /// header, on the first executor.
    pub(crate) fn find(&self, name: &str, header: Option<&HeaderValue>) -> Result<&Arc<Route>, RouteError> {
        let executor = match header {
            None => 0,
            Some(value) => self.executor(value)?,
        };
        let Some(cells) = self.pairs.get(name) else {
            let unknown = self.library.get(name).map(|_| ()).map_err(|unknown| unknown.to_string());
            return Err(RouteError::UnknownFunction(unknown.err().unwrap_or_default()));
        };
        cells[executor].as_ref().map_err(|reason| RouteError::UnsupportedCell {
            executor: self.executors[executor].spec.clone(),
            function: name.to_owned(),
            reason: reason.clone(),
        })
    }

    /// The index of the executor with that spec: in short form, or as any part of its
    /// full form, such as the bare name.
    fn executor(&self, value: &HeaderValue) -> Result<usize, RouteError> {
        let text = value.to_str().unwrap_or_default().trim();
        let exact = self.executors.iter().position(|served| served.spec == text);
        if let Some(index) = exact {
            return Ok(index);
        }
        let requested = Spec::parse(text).map_err(|error| RouteError::BadSpec(error.to_string()))?;
        let matching = self.executors.iter().position(|served| is_part(&requested, served.executor.spec()));
        matching.ok_or_else(|| {
            let specs: Vec<_> = self.executors.iter().map(|served| served.spec.as_str()).collect();
            let specs = specs.join("; ");
            RouteError::BadSpec(format!("executor `{text}` is not served; the served executors are: {specs}"))
        })
    }
}

impl Making {
    /// The route of a function on an executor, or the reason why it cannot run there.
    fn route(
        self,
        (executor_index, served): (usize, &Arc<Served>),
        function: &Arc<Function>,
        next_index: &mut usize,
    ) -> Result<Arc<Route>, String> {
        let variant = choose_variant(&*served.executor, function, self.variant)?;
        let index = *next_index;
        *next_index += 1;
        Ok(Arc::new(Route {
            index,
            executor_index,
            served: Arc::clone(served),
            function: Arc::clone(function),
            variant,
            pace: Pace::new(self.has_compute_threads),
            backoff: Backoff::new(self.queue),
            lost: Lost::default(),
            is_replaced: AtomicBool::new(false),
        }))
    }
}

fn is_part(requested: &Spec, served: &Spec) -> bool {
    requested.name() == served.name()
        && requested.settings().all(|setting| served.settings().any(|other| other == setting))
}

fn choose_variant(
    executor: &dyn Executor,
    function: &Function,
    configured: Option<Variant>,
) -> Result<Variant, String> {
    let supports = |variant: Variant| match function.source(variant) {
        None => Err(format!("it has no variant `{variant}`")),
        Some(_) => executor.supports(function, variant).map(|()| variant),
    };
    if let Some(variant) = configured {
        return supports(variant);
    }
    let mut reasons = Vec::new();
    for variant in Variant::ALL.into_iter().filter(|variant| function.source(*variant).is_some()) {
        match supports(variant) {
            Ok(variant) => return Ok(variant),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; "))
}

/// The function's name in a path `/{function}[/rest]`, percent-decoded, and the length
/// in bytes of the slash and the name in the path. A path of another form yields the
/// empty name, which no function has.
pub(crate) fn split(path: &str) -> (Cow<'_, str>, usize) {
    let Some(below) = path.strip_prefix('/') else { return (Cow::Borrowed(""), 0) };
    let len = below.bytes().position(|byte| byte == b'/').unwrap_or(below.len());
    let segment = &below[..len];
    let is_plain = !segment.bytes().any(|byte| byte == b'%');
    let name = if is_plain { segment.into() } else { percent_decode_str(segment).decode_utf8_lossy() };
    (name, 1 + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_is_the_function() {
        for (path, name, mount_len) in [
            ("/hello", "hello", 6),
            ("/hello/", "hello", 6),
            ("/hello/a%2Fb", "hello", 6),
            ("/%68ello/a", "hello", 8),
            ("/", "", 1),
            ("//hello", "", 1),
            ("*", "", 0),
            ("", "", 0),
        ] {
            assert_eq!(split(path), (Cow::Borrowed(name), mount_len), "{path}");
        }
    }
}
