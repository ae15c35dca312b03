//! Building the functions' Wasm modules, native servers and native libraries, before anything is timed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab_core::guest::{self, Form, Instructions, Simd, Stack, Target};
use isolab_core::{Function, Spec, Variant};

use crate::executors::{self, Guest};

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
pub fn steps<'a>(
    executors: impl IntoIterator<Item = &'a Spec>,
    functions: &[Function],
    variants: &[Variant],
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for spec in executors {
        let Ok(known) = executors::find(spec.name()) else { continue };
        for function in functions {
            for variant in function.variants().filter(|variant| variants.contains(variant)) {
                let step = (known.guests)(spec, variant).map(|guest| step(guest, function));
                steps.extend(step.filter(|step| !steps.contains(step)));
            }
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
            name: format!("`{}` as a {}", function.name(), product(target)),
        },
    }
}

/// The product of a crate, for people.
fn product(target: Target) -> &'static str {
    match target {
        Target::Wasm(Form { stack: Stack::Tuned, simd: Simd::On }) => "Wasm module",
        Target::Wasm(Form { stack: Stack::Default, simd: Simd::On }) => {
            "Wasm module with the toolchain's stack"
        }
        Target::Wasm(Form { stack: Stack::Tuned, simd: Simd::Off }) => {
            "Wasm module without vector instructions"
        }
        Target::Wasm(Form { stack: Stack::Default, simd: Simd::Off }) => {
            "Wasm module with the toolchain's stack, without vector instructions"
        }
        Target::Server(Instructions::Baseline) => "native server",
        Target::Server(Instructions::Native) => "native server for this processor",
        Target::Library(Instructions::Baseline) => "native library",
        Target::Library(Instructions::Native) => "native library for this processor",
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
                guest::Built { manifest, target: target.name(), path }
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

    fn specs(texts: &[&str]) -> Vec<Spec> {
        executors::specs(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn nothing_is_built_twice() {
        let library = crate::library::open(&[]).unwrap();
        let functions = ["hello", "json"].map(|name| library.get(name).unwrap().clone());
        let names = |texts: &[&str]| -> Vec<String> {
            let steps = steps(&specs(texts), &functions, &Variant::ALL);
            steps.into_iter().map(|step| step.name).collect()
        };
        assert_eq!(names(&["direct"]), ["`hello` as a native library", "`json` as a native library"]);
        assert_eq!(names(&["direct", "direct:target=native"]).len(), 4);
        if cfg!(all(feature = "wasm", feature = "v8")) {
            let all = names(&["wasm", "v8"]);
            assert_eq!(all.len(), 3, "two modules shared by both, and the engine: {all:?}");
        }
    }
}
