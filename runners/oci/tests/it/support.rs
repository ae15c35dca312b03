//! An opened executor, and functions of a test's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::function::Host;
use isolab_core::{
    Cache, Cause, Environment, Error, Executor, Function, Instance, Laps, Prepared, Request, Response, Spec,
    Variant,
};
use isolab_oci::{Embedded, Oci, SETTINGS};

/// An executor in a folder of its own.
pub(crate) struct Lab {
    pub(crate) oci: Oci,
    folder: tempfile::TempDir,
}

impl Lab {
    /// None, with a line that says why, if the runtime is missing and not required.
    pub(crate) fn open(spec: &str) -> Option<Self> {
        Self::open_with(spec, BTreeMap::new())
    }

    /// The same, with addresses of granted hosts.
    pub(crate) fn open_with(spec: &str, hosts: BTreeMap<Host, SocketAddr>) -> Option<Self> {
        Self::make(spec, hosts, None)
    }

    /// The same, with the first processor for all containers.
    pub(crate) fn open_pinned(spec: &str) -> Option<Self> {
        Self::make(spec, BTreeMap::new(), Some(0))
    }

    fn make(spec: &str, hosts: BTreeMap<Host, SocketAddr>, guest_cpu: Option<usize>) -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment {
            cache: Cache::new(folder.path().join("cache")),
            run_id: format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)),
            max_instances: 16,
            guest_cpu,
            hosts,
        };
        let spec = Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap();
        match Oci::open(spec.clone(), &environment, embedded()) {
            Ok(oci) => Some(Self { oci, folder }),
            Err(cause) => {
                let required = std::env::var("ISOLAB_REQUIRE").unwrap_or_default();
                assert!(!required.split(',').any(|name| name == "oci"), "{spec} is required: {cause}");
                eprintln!("skipped: {spec}: {cause}");
                None
            }
        }
    }

    /// A function with one variant, `js`.
    pub(crate) fn handler(&self, name: &str, toml: &str, code: &str) -> Function {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("function.toml"), format!("description = \"test\"\n{toml}")).unwrap();
        std::fs::write(path.join("handler.js"), code).unwrap();
        Function::load(&path).unwrap()
    }

    pub(crate) async fn start(
        &self,
        function: &Function,
        variant: Variant,
    ) -> Result<Box<dyn Instance>, Error> {
        self.prepare(function, variant).await?.start(&mut Laps::begin()).await
    }

    pub(crate) async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
    ) -> Result<Arc<dyn Prepared>, Error> {
        self.oci.prepare(function, variant, &mut Laps::begin()).await
    }

    pub(crate) async fn start_of(&self, prepared: &dyn Prepared) -> Box<dyn Instance> {
        prepared.start(&mut Laps::begin()).await.unwrap()
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

pub(crate) async fn stop(instance: Box<dyn Instance>) {
    instance.stop(&mut Laps::begin()).await.unwrap();
}

/// The embedded runtime as a program, if the features have it.
fn embedded() -> Option<Embedded> {
    let program = option_env!("CARGO_BIN_EXE_isolab-oci-runtime")?;
    Some(Embedded { program: program.into(), arguments: Vec::new() })
}
