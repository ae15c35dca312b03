//! Shared by the integration tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::function::Host;
use isolab_core::{
    Cache, Environment, Error, Executor, Function, Laps, Prepared, Request, Response, Spec, Variant,
};
use isolab_wasm::{SETTINGS, Wasm};

/// An executor with its cache in `folder`.
pub(crate) fn open(spec: &str, folder: &Path) -> Wasm {
    open_with(spec, folder, BTreeMap::new())
}

/// The same, with addresses of granted hosts.
pub(crate) fn open_with(spec: &str, folder: &Path, hosts: BTreeMap<Host, SocketAddr>) -> Wasm {
    let spec = Spec::parse(spec).and_then(|spec| spec.resolve(SETTINGS)).unwrap();
    let cache = Cache::with_key(folder.join("cache"), folder.join("state/key"));
    let environment = Environment { cache, run_id: "test".into(), max_instances: 8, guest_cpu: None, hosts };
    Wasm::open(spec, &environment).unwrap()
}

/// The result of a future, in a runtime of one thread.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Writes a WASI command in text form as a module, and loads it.
pub(crate) fn command(folder: &Path, name: &str, text: &str) -> Function {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, wat(text)).unwrap();
    Function::load(&path).unwrap()
}

/// The binary form of a module in text form.
pub(crate) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

pub(crate) fn prepare(
    wasm: &Wasm,
    function: &Function,
    variant: Variant,
) -> Result<Arc<dyn Prepared>, Error> {
    ready(wasm.prepare(function, variant, &mut Laps::begin()))
}

pub(crate) fn get(uri: &str) -> Request {
    Request::new(Method::GET, uri.parse().unwrap(), HeaderMap::new(), Bytes::new())
}

/// Starts an instance, asks it once and stops it.
pub(crate) fn ask(prepared: &dyn Prepared, request: Request) -> Result<Response, Error> {
    let instance = ready(prepared.start(&mut Laps::begin()))?;
    let result = ready(instance.invoke(request, &mut Laps::begin()));
    ready(instance.stop(&mut Laps::begin()))?;
    result
}
