//! The suite that every executor passes, over all functions of the checkout.

use std::collections::BTreeMap;

use isolab_core::conformance;
use isolab_core::{Executor as _, Function, Library, Variant};
use isolab_outbound::origin::Origin;
use isolab_webapi::conformance as webapi;

use crate::support::{open_with, origin_host};

async fn passes(spec: &str) {
    passes_with(spec, &conformance::library().unwrap(), &Variant::ALL).await;
}

async fn passes_with(spec: &str, library: &Library, variants: &[Variant]) {
    let (origin, folder) = (Origin::start().unwrap(), tempfile::tempdir().unwrap());
    let hosts = BTreeMap::from([(origin_host(), origin.address())]);
    let executor = open_with(spec, folder.path(), hosts);
    let report = conformance::run_variants(&executor, library, variants).await;
    println!("{report}");
    report.assert();
}

#[tokio::test]
async fn with_the_stack_of_the_toolchain() {
    let all = conformance::library().unwrap();
    let mut library = Library::default();
    for name in ["hello", "json", "spin", "allocate", "overrun", "recurse"] {
        library.insert(all.get(name).unwrap().clone());
    }
    passes_with("v8:stack=default", &library, &Variant::ALL).await;
}

#[tokio::test]
async fn commands_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let assemble = |text: &str| wat::parse_str(text).map_err(|error| error.to_string());
    let report = conformance::commands::run(&crate::support::open("v8", folder.path()), assemble).await;
    println!("{report}");
    report.assert();
}

#[test]
fn folders_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let grants = "description = 'a command'\n[grants]\nfolders = [{ path = 'data', at = '/data' }]";
    std::fs::write(folder.path().join("function.toml"), grants).unwrap();
    std::fs::write(folder.path().join("command.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    let function = Function::load(folder.path()).unwrap();
    let refused = crate::support::open("v8", folder.path()).supports(&function, Variant::Command);
    assert!(refused.unwrap_err().contains("cannot grant folders"));
}

#[tokio::test]
async fn with_snapshots() {
    passes("v8").await;
}

#[tokio::test]
async fn without_snapshots() {
    passes("v8:snapshot=off").await;
}

#[tokio::test]
async fn without_snapshots_but_with_compiled_code() {
    passes_with("v8:snapshot=off,codecache=on", &conformance::library().unwrap(), &[Variant::Js]).await;
}

#[tokio::test]
async fn with_contexts_of_one_isolate() {
    for spec in ["v8:boundary=context", "v8:boundary=context,snapshot=off"] {
        passes_with(spec, &conformance::library().unwrap(), &[Variant::Js]).await;
    }
}

#[tokio::test]
async fn functions_that_send_requests_or_stream() {
    let all = conformance::library().unwrap();
    let mut library = Library::default();
    for name in ["proxy", "fanout", "stream", "upload"] {
        library.insert(all.get(name).unwrap().clone());
    }
    for spec in ["v8", "v8:snapshot=off"] {
        passes_with(spec, &library, &[Variant::Js]).await;
    }
}

/// The web API's own tests, from the inside of a handler.
#[tokio::test]
async fn the_web_api() {
    let handlers = webapi::handlers().chain(webapi::timer_handlers()).chain(webapi::stream_handlers());
    for (name, source) in handlers {
        let mut request = crate::support::get("/");
        request.headers.insert("x-test", "1".parse().unwrap());
        let response = crate::support::answer("", &source, request).await.unwrap();
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        webapi::check(&body).unwrap_or_else(|failed| panic!("{name}: {failed}"));
    }
}

#[test]
fn a_library_has_what_the_suite_needs() {
    let library: Library = conformance::library().unwrap();
    let names: Vec<_> = library.iter().map(Function::name).collect();
    for name in ["hello", "spin", "allocate", "buffers", "remember"] {
        assert!(names.contains(&name), "{names:?}");
    }
}
