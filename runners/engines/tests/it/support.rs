//! Shared by the tests of the executors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use isolab_core::{Cache, Environment, Executor, Spec};
use isolab_engines::SETTINGS;

/// The names of the executors that are compiled in.
pub(crate) const NAMES: &[&str] = &[
    #[cfg(feature = "wasm3")]
    isolab_engines::wasm3::NAME,
    #[cfg(feature = "wasmer")]
    isolab_engines::wasmer::NAME,
    #[cfg(feature = "wasmi")]
    isolab_engines::wasmi::NAME,
];

/// An executor with a cache in `folder`.
pub(crate) fn open(spec: &str, folder: &Path) -> Arc<dyn Executor> {
    let cache = Cache::with_key(folder.join("cache"), folder.join("state/key"));
    let environment = Environment {
        cache,
        run_id: "test".into(),
        max_instances: 16,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let spec = Spec::parse(spec).unwrap();
    let settings = match spec.name() {
        #[cfg(feature = "wasm3")]
        isolab_engines::wasm3::NAME => isolab_engines::wasm3::SETTINGS,
        _ => SETTINGS,
    };
    let spec = spec.resolve(settings).unwrap();
    match spec.name() {
        #[cfg(feature = "wasm3")]
        isolab_engines::wasm3::NAME => isolab_engines::wasm3::open(spec, &environment),
        #[cfg(feature = "wasmer")]
        isolab_engines::wasmer::NAME => isolab_engines::wasmer::open(spec, &environment).unwrap(),
        #[cfg(feature = "wasmi")]
        isolab_engines::wasmi::NAME => isolab_engines::wasmi::open(spec, &environment),
        name => panic!("the executor `{name}` is not compiled in"),
    }
}
