//! One instance in its store, and the rules that hold for it.

use std::sync::Arc;

use isolab_core::wasi::{Stdout, Wasi};
use isolab_core::{Cause, Error, Laps, Limits, Phase};
use wasmtime::{Instance, InstancePre, Memory, Module, Store};

use crate::exports::{Function, FunctionExport, Integers, MemoryExport};
use crate::fault::Failure;
use crate::host::{Host, MemoryLimit};
use crate::ticker::Ticker;

/// Rules for every instance of a function.
pub(crate) struct Rules {
    /// The executor's spec, in short form.
    executor: String,
    function: String,
    pub(crate) limits: Limits,
    /// The deadline in ticks of the epoch.
    ticks: u64,
    ticker: Arc<Ticker>,
}

impl Rules {
    pub(crate) fn new(executor: String, function: &str, limits: Limits, ticker: Arc<Ticker>) -> Self {
        let ticks = Ticker::ticks(limits.deadline);
        Self { executor, function: function.to_owned(), limits, ticks, ticker }
    }

    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.executor, &self.function, cause)
    }
}

/// A module whose imports are resolved.
pub(crate) struct Linked {
    pub(crate) pre: InstancePre<Host>,
    pub(crate) rules: Arc<Rules>,
}

impl Linked {
    pub(crate) fn module(&self) -> &Module {
        self.pre.module()
    }

    /// Starts an instance. Only the start section of the module runs.
    pub(crate) fn start(&self, stdout: Stdout, phase: Phase, laps: &mut Laps) -> Result<Sandbox, Error> {
        let host = Host {
            memory: MemoryLimit::new(self.rules.limits.memory_bytes),
            wasi: Wasi::new(stdout, laps.begun()),
        };
        let mut store = Store::new(self.module().engine(), host);
        store.limiter(|host| &mut host.memory);
        laps.mark("store");
        let instance =
            run(&self.rules, &mut store, phase, laps, |store, _| Ok(self.pre.instantiate(store)?))?;
        Ok(Sandbox { store, instance, rules: Arc::clone(&self.rules) })
    }
}

/// A store with one instance in it.
pub(crate) struct Sandbox {
    pub(crate) store: Store<Host>,
    pub(crate) instance: Instance,
    pub(crate) rules: Arc<Rules>,
}

impl Sandbox {
    /// Runs the guest until the deadline, which counts from the beginning of the first lap.
    pub(crate) fn run<T>(
        &mut self,
        phase: Phase,
        laps: &mut Laps,
        guest: impl FnOnce(&mut Store<Host>, &mut Laps) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        run(&self.rules, &mut self.store, phase, laps, guest)
    }

    /// An exported function.
    pub(crate) fn function<P: Integers, R: Integers>(
        &mut self,
        export: &FunctionExport<P, R>,
    ) -> Result<Function<P, R>, Failure> {
        Ok(export.find(&mut self.store, self.instance)?)
    }

    /// The exported memory.
    pub(crate) fn memory(&mut self, export: &MemoryExport) -> Result<Memory, Failure> {
        Ok(export.find(&mut self.store, self.instance)?)
    }

    /// An error for a failure outside of [`Sandbox::run`].
    pub(crate) fn error(&self, phase: Phase, failure: Failure) -> Error {
        self.rules.error(phase, failure.cause(self.store.data(), &self.rules.limits))
    }
}

fn run<T>(
    rules: &Rules,
    store: &mut Store<Host>,
    phase: Phase,
    laps: &mut Laps,
    guest: impl FnOnce(&mut Store<Host>, &mut Laps) -> Result<T, Failure>,
) -> Result<T, Error> {
    let _watch = rules.ticker.watch();
    store.set_epoch_deadline(rules.ticks);
    store.data_mut().wasi.set_deadline(laps.begun() + rules.limits.deadline);
    let result = guest(store, laps);
    result.map_err(|failure| rules.error(phase, failure.cause(store.data(), &rules.limits)))
}
