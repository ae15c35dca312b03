//! `javascript=v8`: this lab's V8 server in a container or in a plain process. The crates of these executors cannot
//! test it, because the server is the binary of this one.

#![cfg(all(feature = "docker", feature = "process", feature = "v8"))]

mod flows;
mod granted;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::function::Host;
use isolab_core::{
    Cache, Cause, Environment, Error, Executor, Function, Instance, Laps, Library, Request, Spec, Variant,
    conformance,
};
use isolab_docker::Docker;
use isolab_guest::v8::V8Server;
use isolab_outbound::origin::Origin;
use isolab_process::Process;
use tempfile::TempDir;

use crate::support::{can_run, run};

/// Numbers the runs of this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The executor with the binary under test, and a host that functions may be granted.
struct Lab {
    executor: Box<dyn Executor>,
    _origin: Origin,
    folder: TempDir,
}

impl Lab {
    /// `None` where the executor cannot run.
    async fn open(spec: &str) -> Option<Self> {
        let spec = Spec::parse(spec).unwrap();
        if !can_run(spec.name()) {
            return None;
        }
        let (origin, folder) = (Origin::start().unwrap(), tempfile::tempdir().unwrap());
        let environment = Environment {
            cache: Cache::new(folder.path().join("cache")),
            run_id: format!("v8-server-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)),
            max_instances: 16,
            guest_cpu: None,
            hosts: [(Host { name: "origin".into(), port: 80 }, origin.address())].into(),
        };
        let program = env!("CARGO_BIN_EXE_isolab").into();
        let server = V8Server { program, version: "under test".into() };
        let executor: Box<dyn Executor> = if spec.name() == "docker" {
            let spec = spec.resolve(isolab_docker::SETTINGS).unwrap();
            Box::new(Docker::open(spec, &environment).await.unwrap().with_v8(server))
        } else {
            let spec = spec.resolve(isolab_process::SETTINGS).unwrap();
            Box::new(Process::open(spec, &environment).unwrap().with_v8(server))
        };
        Some(Self { executor, _origin: origin, folder })
    }

    /// A function of the test's own.
    fn handler(&self, name: &str, toml: &str, code: &str) -> Function {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("function.toml"), format!("description = \"test\"\n{toml}")).unwrap();
        std::fs::write(path.join("handler.js"), code).unwrap();
        Function::load(&path).unwrap()
    }

    async fn start(&self, function: &Function) -> Result<Box<dyn Instance>, Error> {
        let prepared = self.executor.prepare(function, Variant::Js, &mut Laps::begin()).await?;
        prepared.start(&mut Laps::begin()).await
    }

    async fn close(self) {
        self.executor.close().await.unwrap();
    }

    /// Runs the suite over the handlers of these functions.
    async fn passes(self, library: &Library) {
        let report = conformance::run_variants(&*self.executor, library, &[Variant::Js]).await;
        self.close().await;
        println!("{report}");
        report.assert();
    }
}

async fn text(instance: &dyn Instance, path: &'static str) -> Result<String, Cause> {
    let request = Request::new(Method::GET, Uri::from_static(path), HeaderMap::new(), Bytes::new());
    let response = instance.invoke(request, &mut Laps::begin()).await.map_err(|error| error.cause)?;
    Ok(String::from_utf8(response.body().to_vec()).unwrap())
}

async fn stop(instance: Box<dyn Instance>) {
    instance.stop(&mut Laps::begin()).await.unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn behaves(spec: &str) {
    let Some(lab) = Lab::open(spec).await else { return };
    lab.passes(&conformance::library().unwrap()).await;
}

/// At the same time: the suite mostly waits.
#[test]
fn every_handler_behaves_in_the_v8_server() {
    thread::scope(|scope| {
        for spec in [
            "docker:javascript=v8",
            "process:javascript=v8",
            "process:javascript=v8,confine=landlock",
            "process:javascript=v8,confine=seccomp",
            "process:javascript=v8,confine=bubblewrap",
            "process:javascript=v8,confine=cgroup",
        ] {
            scope.spawn(move || behaves(spec));
        }
    });
}

#[tokio::test]
async fn a_handler_that_does_not_start_says_why() {
    let Some(lab) = Lab::open("docker:javascript=v8").await else { return };
    let throws = "throw new Error('no will to live'); export default { fetch() {} };";
    let error = lab.start(&lab.handler("throws", "", throws)).await.err().unwrap();
    lab.close().await;
    assert!(matches!(error.cause, Cause::Artifact(_)), "{error}");
    assert!(error.to_string().contains("no will to live"), "{error}");
}

#[test]
fn the_server_refuses_to_run_outside_of_a_container() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let finished = run(["guest", "serve", file.path().to_str().unwrap()]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("only an executor starts"), "{finished:?}");
}
