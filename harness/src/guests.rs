//! Building the functions' Wasm modules and native servers, before anything is timed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab_core::guest::{self, Target};
use isolab_core::{Function, Variant};

use crate::executors::{self, ALL, Guest};

/// One thing to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    guest: Guest,
    /// The function's manifest, for a crate.
    manifest: Option<PathBuf>,
    /// Its name, for people.
    pub name: String,
}

/// Everything that these executors need before they can prepare these variants of these
/// functions, each thing once.
pub fn steps(executors: &[&str], functions: &[Function], variants: &[Variant]) -> Vec<Step> {
    let known = ALL.iter().filter(|known| known.build.is_some() && executors.contains(&known.name));
    let mut steps: Vec<Step> = Vec::new();
    for (executor, function) in
        known.flat_map(|known| functions.iter().map(move |function| (known, function)))
    {
        for variant in function.variants().filter(|variant| variants.contains(variant)) {
            let step = (executor.guests)(variant).map(|guest| step(guest, function));
            steps.extend(step.filter(|step| !steps.contains(step)));
        }
    }
    steps
}

fn step(guest: Guest, function: &Function) -> Step {
    match guest {
        Guest::JavascriptEngine => {
            Step { guest, manifest: None, name: "the JavaScript engine for Wasm".into() }
        }
        Guest::Crate(target) => Step {
            guest,
            manifest: function.source(Variant::Rust).map(PathBuf::from),
            name: match target {
                Target::Wasm => format!("`{}` as a Wasm module", function.name()),
                Target::Server => format!("`{}` as a native server", function.name()),
            },
        },
    }
}

impl Step {
    /// Builds it, if it is not up to date.
    pub fn build(&self) -> Result<Built> {
        let begun = Instant::now();
        let guest = match self.guest {
            Guest::JavascriptEngine => executors::build_javascript_engine()?,
            Guest::Crate(target) => {
                let manifest = self.manifest.clone().context("a crate has a manifest")?;
                let path = guest::build(&manifest, target)?;
                guest::Built { manifest, triple: target.triple(), path }
            }
        };
        Ok(Built { took: begun.elapsed(), guest })
    }
}

/// The result of a step.
#[derive(Clone, Debug)]
pub struct Built {
    /// How long the step took.
    pub took: Duration,
    /// The result of the build.
    pub guest: guest::Built,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_built_twice_and_direct_needs_nothing() {
        let library = crate::library::open(&[]).unwrap();
        let functions = ["hello", "json"].map(|name| library.get(name).unwrap().clone());
        let names = |executors: &[&str]| -> Vec<String> {
            steps(executors, &functions, &Variant::ALL).into_iter().map(|step| step.name).collect()
        };
        assert_eq!(names(&["direct"]), Vec::<String>::new());
        if cfg!(all(feature = "wasm", feature = "v8")) {
            let all = names(&["wasm", "v8"]);
            assert_eq!(all.len(), 3, "two modules shared by both, and the engine: {all:?}");
        }
    }
}
