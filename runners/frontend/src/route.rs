//! From a path and a header to what answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use isolab_core::{Executor, Function, Library, Spec, Variant};
use percent_encoding::percent_decode_str;

use crate::http::problem::{self, Problem};

/// An executor as it is served.
pub(crate) struct Served {
    pub(crate) executor: Arc<dyn Executor>,
    /// The short form of its spec.
    pub(crate) spec: String,
    /// The same, ready for a response.
    pub(crate) header: HeaderValue,
}

/// One function on one executor, in the one variant that is served.
pub(crate) struct Route {
    /// Its place among all pairs of executor and function.
    pub(crate) index: usize,
    /// The executor's place among those served.
    pub(crate) executor_index: usize,
    pub(crate) served: Arc<Served>,
    pub(crate) function: Arc<Function>,
    pub(crate) variant: Variant,
}

/// Everything that can be asked for. Fixed when the server is bound.
pub(crate) struct Routes {
    pub(crate) executors: Vec<Arc<Served>>,
    pub(crate) library: Library,
    /// Place of a function, by name.
    functions: BTreeMap<String, usize>,
    /// Executor by executor, all functions; the reason where a pair cannot run.
    pairs: Vec<Result<Arc<Route>, String>>,
}

impl Routes {
    pub(crate) fn new(executors: Vec<Arc<Served>>, library: Library, variant: Option<Variant>) -> Self {
        let all: Vec<_> = library.iter().cloned().map(Arc::new).collect();
        let functions =
            all.iter().enumerate().map(|(place, function)| (function.name().to_owned(), place)).collect();
        let mut pairs = Vec::with_capacity(executors.len() * all.len());
        for (executor_index, served) in executors.iter().enumerate() {
            for function in &all {
                let index = pairs.len();
                pairs.push(choose_variant(&*served.executor, function, variant).map(|variant| {
                    let (served, function) = (Arc::clone(served), Arc::clone(function));
                    Arc::new(Route { index, executor_index, served, function, variant })
                }));
            }
        }
        Self { executors, library, functions, pairs }
    }

    /// How many pairs of executor and function there are.
    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// All pairs that can run.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.pairs.iter().flatten()
    }

    /// What an executor can run.
    pub(crate) fn of_executor(&self, executor_index: usize) -> impl Iterator<Item = &Arc<Route>> {
        self.iter().filter(move |route| route.executor_index == executor_index)
    }

    /// The executor that a request chooses by header, else the first; and of that one
    /// the function of this name.
    pub(crate) fn find(&self, name: &str, executor: Option<&HeaderValue>) -> Result<&Arc<Route>, Problem> {
        let executor = match executor {
            None => 0,
            Some(value) => self.executor(value)?,
        };
        let Some(function) = self.functions.get(name) else {
            let unknown = self.library.get(name).map(|_| ()).map_err(|unknown| unknown.to_string());
            return Err(Problem::new(&problem::UNKNOWN_FUNCTION, unknown.err().unwrap_or_default()));
        };
        self.pairs[executor * self.functions.len() + function].as_ref().map_err(|reason| {
            let spec = &self.executors[executor].spec;
            let detail = format!("`{name}` cannot run on {spec}: {reason}");
            Problem::new(&problem::UNSUPPORTED_CELL, detail).of(spec, name)
        })
    }

    /// The place of the executor with that spec: in short form, or as any part of its
    /// full form, such as the bare name.
    fn executor(&self, value: &HeaderValue) -> Result<usize, Problem> {
        let text = value.to_str().unwrap_or_default().trim();
        let exact = self.executors.iter().position(|served| served.spec == text);
        if let Some(place) = exact {
            return Ok(place);
        }
        let wanted =
            Spec::parse(text).map_err(|error| Problem::new(&problem::BAD_SPEC, error.to_string()))?;
        self.executors.iter().position(|served| is_part(&wanted, served.executor.spec())).ok_or_else(|| {
            let specs: Vec<_> = self.executors.iter().map(|served| served.spec.as_str()).collect();
            let detail = format!("executor `{text}` is not served; served are: {}", specs.join("; "));
            Problem::new(&problem::BAD_SPEC, detail)
        })
    }
}

fn is_part(wanted: &Spec, served: &Spec) -> bool {
    wanted.name() == served.name()
        && wanted.settings().all(|setting| served.settings().any(|there| there == setting))
}

fn choose_variant(
    executor: &dyn Executor,
    function: &Function,
    asked: Option<Variant>,
) -> Result<Variant, String> {
    let supports = |variant: Variant| match function.source(variant) {
        None => Err(format!("it has no variant `{variant}`")),
        Some(_) => executor.supports(function, variant).map(|()| variant),
    };
    if let Some(variant) = asked {
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

/// The function's name in a path `/{function}[/rest]`, percent-encoding resolved, and
/// how many bytes of the path it takes with its slash. A path of another form names
/// the function `""`, which there is not.
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
