//! Shared by the tests of the executor.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use isolab_core::function::Host;
use isolab_core::{
    Cache, Environment, Error, Executor as _, Function, Instance, Laps, Prepared, Request, Response, Spec,
    Variant,
};
use isolab_v8::{SETTINGS, V8};

/// An executor with a cache in `folder`.
pub(crate) fn open(spec: &str, folder: &Path) -> V8 {
    open_with(spec, folder, BTreeMap::new())
}

/// An executor with a cache in `folder`, and these addresses of granted hosts.
pub(crate) fn open_with(spec: &str, folder: &Path, hosts: BTreeMap<Host, SocketAddr>) -> V8 {
    open_in(spec, folder, hosts).unwrap()
}

/// An executor with a cache in `folder`, or why it cannot be opened.
pub(crate) fn try_open(spec: &str, folder: &Path) -> Result<V8, Error> {
    open_in(spec, folder, BTreeMap::new())
}

fn open_in(spec: &str, folder: &Path, hosts: BTreeMap<Host, SocketAddr>) -> Result<V8, Error> {
    let cache = Cache::with_key(folder.join("cache"), folder.join("state/key"));
    let environment = Environment { cache, run_id: "test".into(), max_instances: 16, guest_cpu: None, hosts };
    V8::open(Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap(), &environment)
}

/// A function of the variant `js`, in `folder`, with more lines for its `function.toml`.
pub(crate) fn handler(folder: &Path, limits: &str, source: &str) -> Function {
    let path = folder.join("function");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("function.toml"), format!("description = \"\"\n[limits]\n{limits}")).unwrap();
    std::fs::write(path.join("handler.js"), source).unwrap();
    Function::load(&path).unwrap()
}

pub(crate) async fn prepare(executor: &V8, function: &Function) -> Result<Arc<dyn Prepared>, Error> {
    executor.prepare(function, Variant::Js, &mut Laps::begin()).await
}

pub(crate) async fn start(prepared: &dyn Prepared) -> Box<dyn Instance> {
    prepared.start(&mut Laps::begin()).await.unwrap()
}

pub(crate) async fn invoke(instance: &dyn Instance, request: Request) -> Result<Response, Error> {
    instance.invoke(request, &mut Laps::begin()).await
}

pub(crate) async fn stop(instance: Box<dyn Instance>) {
    instance.stop(&mut Laps::begin()).await.unwrap();
}

pub(crate) fn get(uri: &str) -> Request {
    Request::new(Method::GET, uri.parse::<Uri>().unwrap(), HeaderMap::new(), Bytes::new())
}

/// The answer of a handler with this source, from a fresh instance.
pub(crate) async fn answer(limits: &str, source: &str, request: Request) -> Result<Response, Error> {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepare(&open("v8", folder.path()), &handler(folder.path(), limits, source)).await?;
    let instance = start(&*prepared).await;
    let answer = invoke(&*instance, request).await;
    stop(instance).await;
    answer
}

/// The granted host of the tests.
pub(crate) fn origin_host() -> Host {
    Host { name: "origin".into(), port: 80 }
}

/// The host of the tests, granted.
pub(crate) const ORIGIN: &str = "[grants]\nhosts = [\"origin\", \"silent\", \"closed\"]";
