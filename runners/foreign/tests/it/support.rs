//! An opened executor, and functions of a test's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::function::Host;
use isolab_core::{
    Cache, Cause, Environment, Error, Executor, Function, Instance, Laps, Request, Response, Spec, Variant,
};
use isolab_foreign::{DENO, Foreign, Runtime, SETTINGS, WORKERD};

/// An executor in a folder of its own.
pub(crate) struct Lab {
    pub(crate) foreign: Foreign,
    folder: tempfile::TempDir,
}

impl Lab {
    /// Every executor that can run here.
    pub(crate) fn each() -> impl Iterator<Item = Self> {
        [&DENO, &WORKERD].into_iter().filter_map(|runtime| Self::open(runtime, BTreeMap::new()))
    }

    /// None, with a line that says why, if the program is missing and not required. Granted hosts have these addresses.
    pub(crate) fn open(runtime: &'static Runtime, hosts: BTreeMap<Host, SocketAddr>) -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment {
            cache: Cache::new(folder.path().join("cache")),
            run_id: format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)),
            max_instances: 16,
            guest_cpu: None,
            hosts,
        };
        let name = runtime.name;
        let spec = Spec::parse(name).unwrap().resolve(SETTINGS).unwrap();
        match Foreign::open(runtime, spec, &environment) {
            Ok(foreign) => Some(Self { foreign, folder }),
            Err(cause) => {
                let required = std::env::var("ISOLAB_REQUIRE").unwrap_or_default();
                assert!(!required.split(',').any(|word| word == name), "{name} is required: {cause}");
                eprintln!("skipped: {name}: {cause}");
                None
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.foreign.spec().name()
    }

    /// A function with one variant, `js`.
    pub(crate) fn handler(&self, name: &str, toml: &str, code: &str) -> Function {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("function.toml"), format!("description = \"test\"\n{toml}")).unwrap();
        std::fs::write(path.join("handler.js"), code).unwrap();
        Function::load(&path).unwrap()
    }

    pub(crate) async fn start(&self, function: &Function) -> Result<Box<dyn Instance>, Error> {
        let prepared = self.foreign.prepare(function, Variant::Js, &mut Laps::begin()).await?;
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

pub(crate) async fn stop(instance: Box<dyn Instance>) {
    instance.stop(&mut Laps::begin()).await.unwrap();
}
