//! One instance in its store.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use isolab_core::wasi::{Stdout, Wasi};
use isolab_core::{Cause, Error, Laps, Phase};
use tokio::time::timeout_at;
use wasmtime::{Instance, InstancePre, Memory, Module, Store, Trap};

use crate::exports::{Function, FunctionExport, Integers, MemoryExport};
use crate::fault::Failure;
use crate::full::Full;
use crate::host::{Host, MemoryLimit};
use crate::rules::Rules;
use crate::setup::Setup;
use crate::waiting::{self, SLICE_TICKS};
use crate::wasi::WasiHost;

/// A module whose imports are resolved.
pub(crate) struct Linked {
    pub(crate) pre: InstancePre<Host>,
    pub(crate) rules: Arc<Rules>,
    /// How its instances run.
    pub(crate) setup: Setup,
}

impl Linked {
    pub(crate) fn module(&self) -> &Module {
        self.pre.module()
    }

    fn store(&self, stdout: Stdout, laps: &mut Laps) -> Result<Store<Host>, Cause> {
        let (full, stdout) = match self.setup.wasi {
            WasiHost::Light => (None, stdout),
            WasiHost::Full => (Some(Box::new(Full::new(stdout, &self.rules.folders)?)), Stdout::Console),
        };
        let memory = MemoryLimit::new(self.rules.limits.memory_bytes);
        let wasi = Wasi::new(stdout, laps.begun());
        let mut host = Host { memory, wasi, piped: None, exchanges: None, full };
        self.rules.granted.give(&mut host.wasi);
        let mut store = Store::new(self.module().engine(), host);
        store.limiter(|host| &mut host.memory);
        if self.setup.wasi == WasiHost::Full {
            // The most bytes that one call copies: a buffer of the guest is never larger than its memory.
            store.set_hostcall_fuel(usize::try_from(self.rules.limits.memory_bytes).unwrap_or(usize::MAX));
        }
        if self.setup.way.is_suspendable() {
            store.epoch_deadline_callback(|guest| Ok(waiting::at_end_of_slice(guest.data().wasi.deadline())));
        }
        laps.mark("store");
        Ok(store)
    }

    /// Starts an instance. Only the start section of the module runs.
    pub(crate) async fn start(
        &self,
        stdout: Stdout,
        phase: Phase,
        laps: &mut Laps,
    ) -> Result<Sandbox, Error> {
        let mut store = self.store(stdout, laps).map_err(|cause| self.rules.error(phase, cause))?;
        let instance = run(&self.rules, self.setup, &mut store, phase, laps, async |store, _| {
            Ok(if self.setup.way.is_suspendable() {
                // In a box of its own, so that the straight way has a small future.
                Box::pin(self.pre.instantiate_async(store)).await?
            } else {
                self.pre.instantiate(store)?
            })
        });
        let instance = instance.await?;
        Ok(Sandbox { store, instance, setup: self.setup })
    }
}

/// A store with one instance in it.
pub(crate) struct Sandbox {
    pub(crate) store: Store<Host>,
    pub(crate) instance: Instance,
    setup: Setup,
}

impl Sandbox {
    /// Runs the guest until the deadline, which counts from the beginning of the first lap.
    pub(crate) async fn run<T>(
        &mut self,
        rules: &Rules,
        phase: Phase,
        laps: &mut Laps,
        guest: impl AsyncFnOnce(&mut Store<Host>, &mut Laps) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        run(rules, self.setup, &mut self.store, phase, laps, guest).await
    }

    /// An exported function.
    pub(crate) fn function<P: Integers, R: Integers>(
        &mut self,
        export: &FunctionExport<P, R>,
    ) -> Result<Function<P, R>, Failure> {
        Ok(export.find(&mut self.store, self.instance, self.setup.way.is_suspendable())?)
    }

    /// The exported memory.
    pub(crate) fn memory(&mut self, export: &MemoryExport) -> Result<Memory, Failure> {
        Ok(export.find(&mut self.store, self.instance)?)
    }

    /// An error for a failure while the guest does not run.
    pub(crate) fn error(&self, rules: &Rules, phase: Phase, failure: Failure) -> Error {
        rules.error(phase, failure.cause(self.store.data(), &rules.limits))
    }
}

/// Runs the guest until the deadline, which counts from the beginning of the first lap. The epoch
/// advances for it only while it computes.
async fn run<T>(
    rules: &Rules,
    setup: Setup,
    store: &mut Store<Host>,
    phase: Phase,
    laps: &mut Laps,
    guest: impl AsyncFnOnce(&mut Store<Host>, &mut Laps) -> Result<T, Failure>,
) -> Result<T, Error> {
    store.set_epoch_deadline(if setup.way.is_suspendable() { SLICE_TICKS } else { rules.ticks });
    let deadline = laps.begun() + rules.limits.deadline;
    store.data_mut().wasi.set_deadline(deadline);
    let result = {
        let mut running = pin!(guest(store, laps));
        let mut watched = poll_fn(|context| {
            let _watch = rules.ticker.watch();
            running.as_mut().poll(context)
        });
        match setup.wasi {
            // Its calls know the deadline.
            WasiHost::Light => watched.await,
            WasiHost::Full => Box::pin(timeout_at(deadline.into(), &mut watched))
                .await
                .unwrap_or_else(|_| Err(Failure::Engine(Trap::Interrupt.into()))),
        }
    };
    store.data_mut().end_exchanges();
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
