//! The suite that every executor passes, over all functions of the checkout.

use isolab_core::conformance::{self, Outcome};
use isolab_core::{Library, Variant};

/// All variants whose modules this build can make.
const VARIANTS: &[Variant] = &[
    Variant::Rust,
    Variant::Module,
    #[cfg(feature = "javascript")]
    Variant::Js,
];

/// Functions here have neither outbound requests nor folders, and handlers no streams.
const SKIPPED: [&str; 8] = [
    "fanout/js",
    "fanout/rust",
    "files/js",
    "files/rust",
    "proxy/js",
    "proxy/rust",
    "stream/js",
    "upload/js",
];

async fn passes(spec: &str, library: &Library) {
    passes_but(spec, library, |_| false).await;
}

/// As [`passes`], and the checks of other names may be skipped, too.
async fn passes_but(spec: &str, library: &Library, may_skip: impl Fn(&str) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    let executor = crate::support::open(spec, folder.path());
    let report = conformance::run_variants(&*executor, library, VARIANTS).await;
    println!("{report}");
    report.assert();
    for check in &report.checks {
        let is_skipped = matches!(check.outcome, Outcome::Skipped(_));
        let may_be = SKIPPED.contains(&check.name.as_str()) || may_skip(&check.name);
        assert!(!is_skipped || may_be, "{} is skipped", check.name);
    }
}

#[tokio::test]
#[cfg(feature = "wasmi")]
async fn of_the_interpreter() {
    passes("wasmi", &conformance::library().unwrap()).await;
}

#[tokio::test]
#[cfg(feature = "wasm3")]
async fn of_the_interpreter_in_c() {
    // The JavaScript engine and the modules in C have vector instructions.
    let has_simd = |name: &str| name.ends_with("/js") || name.ends_with("-c/module");
    passes_but("wasm3", &conformance::library().unwrap(), has_simd).await;
}

#[tokio::test]
#[cfg(feature = "wasmer")]
async fn of_the_compiler() {
    passes("wasmer", &conformance::library().unwrap()).await;
}

#[tokio::test]
async fn with_the_stack_of_the_toolchain() {
    let all = conformance::library().unwrap();
    let mut library = Library::default();
    for name in ["hello", "spin", "allocate", "overrun", "recurse"] {
        library.insert(all.get(name).unwrap().clone());
    }
    for name in crate::support::NAMES {
        passes_but(&format!("{name}:stack=default"), &library, |check| {
            *name == "wasm3" && check.ends_with("/js")
        })
        .await;
    }
}
