//! One instance in its store.

use std::cell::Cell;
use std::sync::Arc;

use isolab_core::wasi::{Stdout, Wasi};
use isolab_core::{Cause, Error, Laps, Phase};
use wasmtime::{Instance, InstancePre, Memory, Module, Store};

use crate::exports::{Function, FunctionExport, Integers, MemoryExport};
use crate::fault::Failure;
use crate::host::{Host, MemoryLimit};
use crate::rules::Rules;
use crate::waiting::{self, Way};

/// A module whose imports are resolved.
pub(crate) struct Linked {
    pub(crate) pre: InstancePre<Host>,
    pub(crate) rules: Arc<Rules>,
    /// How its instances run.
    pub(crate) way: Way,
}

impl Linked {
    pub(crate) fn module(&self) -> &Module {
        self.pre.module()
    }

    fn store(&self, stdout: Stdout, laps: &mut Laps) -> Store<Host> {
        let mut host = Host {
            memory: MemoryLimit::new(self.rules.limits.memory_bytes),
            wasi: Wasi::new(stdout, laps.begun()),
            piped: None,
            exchanges: None,
        };
        self.rules.granted.give(&mut host.wasi);
        let mut store = Store::new(self.module().engine(), host);
        store.limiter(|host| &mut host.memory);
        laps.mark("store");
        store
    }

    /// Starts an instance that runs straight. Only the start section of the module runs.
    pub(crate) fn start(&self, stdout: Stdout, phase: Phase, laps: &mut Laps) -> Result<Sandbox, Error> {
        let mut store = self.store(stdout, laps);
        let instance =
            run(&self.rules, &mut store, phase, laps, |store, _| Ok(self.pre.instantiate(store)?))?;
        Ok(Sandbox { store, instance, rules: Arc::clone(&self.rules) })
    }

    /// The same for an instance that can wait.
    pub(crate) async fn start_waiting(
        &self,
        stdout: Stdout,
        phase: Phase,
        laps: &mut Laps,
    ) -> Result<Sandbox, Error> {
        let mut store = self.store(stdout, laps);
        store.epoch_deadline_callback(|guest| Ok(waiting::at_end_of_slice(guest.data().wasi.deadline())));
        let instance = waiting::run(&self.rules, &mut store, phase, laps, async |store, _| {
            Ok(self.pre.instantiate_async(store).await?)
        });
        let instance = instance.await?;
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

    /// The same for a guest that can wait.
    pub(crate) async fn run_waiting<T>(
        &mut self,
        phase: Phase,
        laps: &mut Laps,
        guest: impl AsyncFnOnce(&mut Store<Host>, &mut Laps) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        waiting::run(&self.rules, &mut self.store, phase, laps, guest).await
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

    /// An error for a failure while the guest does not run.
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

/// The sandbox of an instance between two invocations. An invocation takes it, and a dropped
/// invocation drops it: a guest that was suspended ends.
pub(crate) struct Parked(Cell<Option<Sandbox>>);

impl Parked {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(Cell::new(Some(sandbox)))
    }

    /// # Errors
    /// If an invocation has taken it and has not put it back.
    pub(crate) fn take(&self) -> Result<Sandbox, Cause> {
        let gone = || Cause::Internal("the instance's last invocation has not ended, or was given up".into());
        self.0.take().ok_or_else(gone)
    }

    pub(crate) fn put_back(&self, sandbox: Sandbox) {
        self.0.set(Some(sandbox));
    }

    /// Reads something; `None` while an invocation runs.
    pub(crate) fn read<T>(&self, reading: impl FnOnce(&Sandbox) -> T) -> Option<T> {
        let sandbox = self.0.take()?;
        let read = reading(&sandbox);
        self.put_back(sandbox);
        Some(read)
    }
}
