//! An opened executor that leaves nothing behind, and what else the tests share.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bollard::query_parameters::{ListContainersOptions, RemoveImageOptions};
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::{
    Cache, Cause, Environment, Error, Executor, Function, Instance, Laps, Prepared, Request, Response, Spec,
    Variant,
};
use isolab_docker::{Docker, SETTINGS};

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
        let folder = tempfile::tempdir().unwrap();
        let environment = environment(&folder.path().join("cache"));
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
