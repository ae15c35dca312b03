//! Functions with the wire form of `isolab_sdk`: the variants `rust` and `js`.

use std::cell::RefCell;

use async_trait::async_trait;
use bytes::Bytes;
use isolab_core::wasi::Stdout;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Memory as MemoryUse, Phase, Prepared, Request, Response, wire,
};
use wasmtime::{Memory, Module};

use crate::exports::{Function, FunctionExport, MemoryExport};
use crate::fault::Failure;
use crate::initialize::{self, Initialization};
use crate::sandbox::{Linked, Sandbox};

/// A function ready to be started.
pub(crate) struct PreparedFunction {
    linked: Linked,
    artifact: Artifact,
    exports: Exports,
    initialization: Initialization,
}

/// The exports of a function's module.
struct Exports {
    memory: MemoryExport,
    request: FunctionExport<u32, u32>,
    handle: FunctionExport<(), u32>,
}

impl Exports {
    fn of(module: &Module) -> Result<Self, Cause> {
        let missing = |name, form| {
            Cause::Artifact(format!(
                "the module exports no `{name}` of the form {form}; use `isolab_sdk::export!`"
            ))
        };
        let (request, handle) = (wire::REQUEST, wire::HANDLE);
        Ok(Self {
            memory: MemoryExport::of(module)?,
            request: FunctionExport::of(module, request).ok_or_else(|| missing(request, "(i32) -> i32"))?,
            handle: FunctionExport::of(module, handle).ok_or_else(|| missing(handle, "() -> i32"))?,
        })
    }
}

impl PreparedFunction {
    /// `input` is standard input of the function's initialisation.
    pub(crate) fn new(linked: Linked, artifact: Artifact, input: Bytes) -> Result<Self, Cause> {
        let exports = Exports::of(linked.module())?;
        let initialization = Initialization::of(linked.module(), input)?;
        Ok(Self { linked, artifact, exports, initialization })
    }

    /// Whether each instance does work of its own before it can answer.
    pub(crate) fn initializes(&self) -> bool {
        self.initialization.has_own()
    }

    /// Starts an instance once, to find errors of its initialisation during `prepare`.
    pub(crate) fn try_start(&self) -> Result<(), Error> {
        let started = self.begin(Phase::Prepare, &mut Laps::begin());
        started.map(|_| ()).map_err(initialize::refused)
    }

    fn begin(&self, phase: Phase, laps: &mut Laps) -> Result<FunctionInstance, Error> {
        let mut sandbox = self.linked.start(Stdout::Console, phase, laps)?;
        laps.mark("instantiate");
        let find = |sandbox: &mut Sandbox| -> Result<_, Failure> {
            let memory = sandbox.memory(&self.exports.memory)?;
            let request = sandbox.function(&self.exports.request)?;
            Ok((memory, request, sandbox.function(&self.exports.handle)?))
        };
        let (memory, request, handle) =
            find(&mut sandbox).map_err(|failure| sandbox.error(phase, failure))?;
        self.initialization.run(&mut sandbox, phase, laps)?;
        Ok(FunctionInstance { sandbox: RefCell::new(sandbox), memory, request, handle })
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedFunction {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(self.begin(Phase::Start, laps)?))
    }
}

/// A live sandbox with a function in it.
struct FunctionInstance {
    sandbox: RefCell<Sandbox>,
    memory: Memory,
    request: Function<u32, u32>,
    handle: Function<(), u32>,
}

impl FunctionInstance {
    fn answer(&self, request: &Request, laps: &mut Laps) -> Result<Response, Error> {
        let Self { sandbox, memory, request: room_for, handle } = self;
        let sandbox = &mut *sandbox.borrow_mut();
        let limit_bytes = sandbox.rules.limits.response_bytes;
        let guest = request.as_guest();
        sandbox.run(Phase::Invoke, laps, |store, laps| {
            let len = wire::request_len(&guest)?;
            let at = room_for.call(&mut *store, len)?;
            wire::write_request(&guest, memory.data_mut(&mut *store), at, len)?;
            laps.mark("write");
            let at = handle.call(&mut *store, ())?;
            laps.mark("call");
            Ok(wire::read_response(memory.data(&*store), at, limit_bytes)?)
        })
    }
}

#[async_trait(?Send)]
impl Instance for FunctionInstance {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        self.answer(&request, laps)
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { model_bytes: Some(self.memory.data_size(&self.sandbox.borrow().store) as u64) }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        Ok(self.memory.data_size(&self.sandbox.borrow().store) as u64)
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}
