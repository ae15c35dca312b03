//! An opened executor, and functions of a test's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::function::Host;
use isolab_core::{
    Cache, Cause, Environment, Error, Executor, Function, Instance, Laps, Request, Response, Spec, Variant,
};
use isolab_process::{Process, SETTINGS};

/// An executor in a folder of its own.
pub(crate) struct Lab {
    pub(crate) process: Process,
    folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn open(spec: &str) -> Self {
        Self::try_open(spec).unwrap()
    }

    pub(crate) fn try_open(spec: &str) -> Result<Self, Cause> {
        Self::open_with(spec, BTreeMap::new())
    }

    /// The same, with addresses of granted hosts.
    pub(crate) fn open_with(spec: &str, hosts: BTreeMap<Host, SocketAddr>) -> Result<Self, Cause> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment {
            cache: Cache::new(folder.path().join("cache")),
            run_id: format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)),
            max_instances: 16,
            guest_cpu: None,
            hosts,
        };
        let spec = Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap();
        Ok(Self { process: Process::open(spec, &environment)?, folder })
    }

    /// A function with one variant, `js`.
    pub(crate) fn handler(&self, name: &str, toml: &str, code: &str) -> Function {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("function.toml"), format!("description = \"test\"\n{toml}")).unwrap();
        std::fs::write(path.join("handler.js"), code).unwrap();
        Function::load(&path).unwrap()
    }

    /// A function with one variant, a module.
    pub(crate) fn module(&self, name: &str, toml: &str, wasm: &[u8]) -> Function {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("function.toml"), format!("description = \"test\"\n{toml}")).unwrap();
        std::fs::write(path.join("guest.wasm"), wasm).unwrap();
        Function::load(&path).unwrap()
    }

    pub(crate) async fn start(
        &self,
        function: &Function,
        variant: Variant,
    ) -> Result<Box<dyn Instance>, Error> {
        let prepared = self.process.prepare(function, variant, &mut Laps::begin()).await?;
        prepared.start(&mut Laps::begin()).await
    }
}

/// A function of this checkout.
pub(crate) fn function(path: &str) -> Function {
    Function::load(&isolab_core::guest::workspace().join("functions").join(path)).unwrap()
}

pub(crate) async fn get(instance: &dyn Instance, uri: &'static str) -> Result<Response, Cause> {
    let request = Request::new(Method::GET, Uri::from_static(uri), HeaderMap::new(), Bytes::new());
    instance.invoke(request, &mut Laps::begin()).await.map_err(|error| error.cause)
}

/// The body of the answer.
pub(crate) async fn get_text(instance: &dyn Instance, uri: &str) -> Result<String, Cause> {
    let request = Request::new(Method::GET, uri.parse().unwrap(), HeaderMap::new(), Bytes::new());
    let answer = instance.invoke(request, &mut Laps::begin()).await.map_err(|error| error.cause)?;
    Ok(String::from_utf8(answer.body().to_vec()).unwrap())
}

pub(crate) async fn stop(instance: Box<dyn Instance>) {
    instance.stop(&mut Laps::begin()).await.unwrap();
}

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a process lives.
pub(crate) fn is_running(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

pub(crate) async fn until_gone(process: u32) {
    let begun = Instant::now();
    while is_running(process) {
        assert!(begun.elapsed() < PATIENCE, "process {process} goes on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
