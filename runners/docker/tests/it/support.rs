//! An opened executor that leaves nothing behind, and what else the tests share.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::query_parameters::{ListContainersOptions, RemoveImageOptions};
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::function::Host;
use isolab_core::{
    Cache, Cause, Environment, Error, Executor, Function, Instance, Laps, Library, Prepared, Request,
    Response, Reuse, Spec, Variant,
};
use isolab_docker::{Docker, SETTINGS};
use isolab_frontend::{Config, Server};
use tokio::sync::oneshot;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// An executor with a cache of its own, and functions of a test's own.
pub(crate) struct Lab {
    pub(crate) docker: Docker,
    pub(crate) run_id: String,
    folder: tempfile::TempDir,
    /// The repositories of images that are removed after the test.
    scratch: Vec<String>,
}

impl Lab {
    /// `None`, with a message, where no engine answers and none is required.
    pub(crate) async fn open(spec: &str) -> Option<Self> {
        Self::open_with(spec, BTreeMap::new()).await
    }

    /// The same, with addresses of granted hosts.
    pub(crate) async fn open_with(spec: &str, hosts: BTreeMap<Host, SocketAddr>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment { hosts, ..environment(&folder.path().join("cache")) };
        match Docker::open(resolve(spec), &environment).await {
            Ok(docker) => Some(Self { docker, run_id: environment.run_id, folder, scratch: Vec::new() }),
            Err(Cause::Unavailable(reason)) if !is_required() => {
                eprintln!("skipped: {reason}");
                None
            }
            Err(cause) => panic!("docker is required: {cause}"),
        }
    }

    /// A function with one variant, `js`.
    pub(crate) fn handler(&mut self, name: &str, toml: &str, code: &str) -> Function {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("function.toml"), format!("description = \"test\"\n{toml}")).unwrap();
        std::fs::write(path.join("handler.js"), code).unwrap();
        self.scratch.push(format!("{name}-js"));
        Function::load(&path).unwrap()
    }

    pub(crate) async fn start(
        &self,
        function: &Function,
        variant: Variant,
    ) -> Result<Box<dyn Instance>, Error> {
        let prepared = self.docker.prepare(function, variant, &mut Laps::begin()).await?;
        start(&*prepared).await
    }

    /// Where this executor keeps its artifacts.
    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The ids of this run's containers.
    pub(crate) async fn containers(&self) -> Vec<String> {
        containers(&self.run_id).await
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The test may be panicking, so the cleaning has a runtime of its own.
        let (run_id, scratch) = (self.run_id.clone(), std::mem::take(&mut self.scratch));
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                isolab_docker::sweep(&run_id).await.unwrap();
                for repository in scratch {
                    remove_images(&repository).await;
                }
            });
        });
        cleaning.join().unwrap();
    }
}

/// A front end with one function in containers.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

impl Door {
    /// Its containers are of the lab's run, so that the lab sweeps those that are left.
    pub(crate) async fn open(lab: &Lab, function: Function) -> Self {
        let mut library = Library::open(&[]).unwrap();
        library.insert(function);
        let environment = Environment { run_id: lab.run_id.clone(), ..environment(&lab.cache()) };
        let docker = Arc::new(Docker::open(resolve("docker"), &environment).await.unwrap());
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = Config { listen, workers: 1, reuse: Reuse::Warm, ..Config::default() };
        let server = Server::bind(config, vec![docker as Arc<dyn Executor>], library).unwrap();
        let address = server.local_addr();
        let (shutdown, is_shut_down) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            server.run(async { drop(is_shut_down.await) }, std::future::pending()).await.unwrap();
        });
        Self { address, shutdown, running }
    }

    pub(crate) async fn close(self) {
        drop(self.shutdown);
        tokio::time::timeout(PATIENCE, self.running).await.expect("the server ends").unwrap();
    }
}

pub(crate) fn environment(cache: &std::path::Path) -> Environment {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let run_id = format!("test-{}-{number}", std::process::id());
    Environment {
        cache: Cache::new(cache),
        run_id,
        max_instances: 16,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    }
}

pub(crate) fn resolve(spec: &str) -> Spec {
    Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap()
}

/// A function of this checkout.
pub(crate) fn function(path: &str) -> Function {
    Function::load(&isolab_core::guest::workspace().join("functions").join(path)).unwrap()
}

pub(crate) async fn start(prepared: &dyn Prepared) -> Result<Box<dyn Instance>, Error> {
    prepared.start(&mut Laps::begin()).await
}

pub(crate) async fn get(instance: &dyn Instance, uri: &'static str) -> Result<Response, Cause> {
    let request = Request::new(Method::GET, Uri::from_static(uri), HeaderMap::new(), Bytes::new());
    instance.invoke(request, &mut Laps::begin()).await.map_err(|error| error.cause)
}

pub(crate) async fn stop(instance: Box<dyn Instance>) {
    instance.stop(&mut Laps::begin()).await.unwrap();
}

pub(crate) async fn containers(run_id: &str) -> Vec<String> {
    let filters = HashMap::from([("label".to_owned(), vec![format!("isolab.run={run_id}")])]);
    let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
    let listed = engine().list_containers(Some(options)).await.unwrap();
    listed.into_iter().filter_map(|container| container.id).collect()
}

/// Whether a test fails that cannot run.
fn is_required() -> bool {
    std::env::var("ISOLAB_REQUIRE")
        .is_ok_and(|names| names.split(',').any(|name| name == isolab_docker::NAME))
}

fn engine() -> bollard::Docker {
    bollard::Docker::connect_with_defaults().unwrap()
}

async fn remove_images(repository: &str) {
    let filters = HashMap::from([("label".to_owned(), vec![format!("isolab.function={repository}")])]);
    let options =
        bollard::query_parameters::ListImagesOptions { filters: Some(filters), ..Default::default() };
    let engine = engine();
    for image in engine.list_images(Some(options)).await.unwrap() {
        let options = RemoveImageOptions { force: true, ..Default::default() };
        engine.remove_image(&image.id, Some(options), None).await.unwrap();
    }
}

/// A folder for a test's own functions, and the path of a cache in it.
pub(crate) fn cache_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    (folder, cache)
}
