//! `docker:javascript=v8`: this lab's V8 server in a container. The executor's crate cannot test
//! it, because the server is the binary of this one.

#![cfg(all(feature = "docker", feature = "v8"))]

use std::collections::BTreeMap;

use isolab_core::{Cache, Cause, Environment, Executor as _, Function, Laps, Spec, Variant, conformance};
use isolab_docker::{Docker, SETTINGS, V8Server};

use crate::support::{can_run, run};

/// The executor with the binary under test; `None` where it cannot run.
async fn open(folder: &std::path::Path) -> Option<Docker> {
    if !can_run("docker") {
        return None;
    }
    let spec = Spec::parse("docker:javascript=v8").unwrap().resolve(SETTINGS).unwrap();
    let environment = Environment {
        cache: Cache::new(folder.join("cache")),
        run_id: format!("v8-server-{}", std::process::id()),
        max_instances: 16,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let program = env!("CARGO_BIN_EXE_isolab").into();
    let server = V8Server { program, version: "under test".into() };
    Some(Docker::open(spec, &environment).await.unwrap().with_v8(server))
}

#[tokio::test]
async fn every_handler_behaves_in_the_v8_server() {
    let folder = tempfile::tempdir().unwrap();
    let Some(docker) = open(folder.path()).await else { return };
    let library = conformance::library().unwrap();
    let report = conformance::run_variants(&docker, &library, &[Variant::Js]).await;
    docker.close().await.unwrap();
    println!("{report}");
    report.assert();
}

#[tokio::test]
async fn a_handler_that_does_not_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let Some(docker) = open(folder.path()).await else { return };
    let path = folder.path().join("throws.js");
    std::fs::write(&path, "throw new Error('no will to live'); export default { fetch() {} };").unwrap();
    let function = Function::load(&path).unwrap();
    let error = docker.prepare(&function, Variant::Js, &mut Laps::begin()).await.err().unwrap();
    docker.close().await.unwrap();
    assert!(matches!(error.cause, Cause::Artifact(_)), "{error}");
    assert!(error.to_string().contains("no will to live"), "{error}");
}

#[test]
fn the_server_refuses_to_run_outside_of_a_container() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let finished = run(["guest", "serve", file.path().to_str().unwrap()]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("only the executor `docker`"), "{finished:?}");
}
