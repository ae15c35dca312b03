//! Functions with the wire form of `isolab_sdk`: the variants `rust` and `js`.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future;
use isolab_core::streams::Streams;
use isolab_core::wasi::Stdout;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Memory as MemoryUse, Phase, Prepared, Request, Response, wire,
};
use wasmtime::{Memory, Module};

use crate::exports::{Function, FunctionExport, MemoryExport};
use crate::fault::Failure;
use crate::initialize::{self, Initialization};
use crate::piped::Piped;
use crate::rules::Rules;
use crate::sandbox::{Linked, Parked, Sandbox};
use crate::waiting::Way;

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
    /// Only a function whose bodies flow has it.
    stream: Option<FunctionExport<(), u32>>,
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
            stream: match module.get_export(wire::STREAM) {
                Some(_) => Some(
                    FunctionExport::of(module, wire::STREAM)
                        .ok_or_else(|| missing(wire::STREAM, "() -> i32"))?,
                ),
                None => None,
            },
        })
    }

    fn find(&self, sandbox: &mut Sandbox, phase: Phase) -> Result<Entries, Error> {
        let found = |sandbox: &mut Sandbox| -> Result<_, Failure> {
            let memory = sandbox.memory(&self.memory)?;
            let request = sandbox.function(&self.request)?;
            let handle = sandbox.function(&self.handle)?;
            let stream = self.stream.as_ref().map(|export| sandbox.function(export)).transpose()?;
            Ok(Entries { memory, request, handle, stream })
        };
        found(sandbox).map_err(|failure| sandbox.error(phase, failure))
    }
}

impl PreparedFunction {
    /// `input` is standard input of the function's initialisation.
    pub(crate) fn new(linked: Linked, artifact: Artifact, input: Bytes) -> Result<Self, Cause> {
        let exports = Exports::of(linked.module())?;
        let initialization = Initialization::of(linked.module(), input)?;
        Ok(Self { linked, artifact, exports, initialization })
    }

    #[cfg(test)]
    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.linked.rules)
    }

    /// Whether each instance does work of its own before it can answer.
    pub(crate) fn initializes(&self) -> bool {
        self.initialization.has_own()
    }

    /// Starts an instance once, to find errors of its initialisation during `prepare`.
    ///
    /// # Errors
    /// If the instances of this module, as it was linked, do not run straight.
    pub(crate) fn try_start(&self) -> Result<(), Error> {
        let started = self.begin(Phase::Prepare, &mut Laps::begin());
        started.map(|_| ()).map_err(initialize::refused)
    }

    fn begin(&self, phase: Phase, laps: &mut Laps) -> Result<Straight, Error> {
        let mut sandbox = self.linked.start(Stdout::Console, phase, laps)?;
        laps.mark("instantiate");
        let entries = self.exports.find(&mut sandbox, phase)?;
        self.initialization.run(&mut sandbox, phase, laps)?;
        Ok(Straight { sandbox: RefCell::new(sandbox), entries })
    }

    async fn begin_waiting(&self, phase: Phase, laps: &mut Laps) -> Result<Waiting, Error> {
        let mut sandbox = self.linked.start_waiting(Stdout::Console, phase, laps).await?;
        laps.mark("instantiate");
        let entries = self.exports.find(&mut sandbox, phase)?;
        self.initialization.run_waiting(&mut sandbox, phase, laps).await?;
        Ok(Waiting { rules: Arc::clone(&sandbox.rules), sandbox: Parked::new(sandbox), entries })
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedFunction {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn streams(&self) -> bool {
        self.linked.way == Way::Streaming
    }

    fn sleeps_on_thread(&self) -> bool {
        self.linked.way.sleeps_on_thread(self.linked.module())
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        match self.linked.way {
            Way::Straight => Ok(Box::new(self.begin(Phase::Start, laps)?)),
            // In a box of its own, so that the straight way has a small future.
            Way::Waiting | Way::Streaming => {
                Ok(Box::new(Box::pin(self.begin_waiting(Phase::Start, laps)).await?))
            }
        }
    }
}

/// The exports in an instance.
struct Entries {
    memory: Memory,
    request: Function<u32, u32>,
    handle: Function<(), u32>,
    stream: Option<Function<(), u32>>,
}

/// A live sandbox with a function in it that cannot wait.
struct Straight {
    sandbox: RefCell<Sandbox>,
    entries: Entries,
}

impl Straight {
    fn answer(&self, request: &Request, laps: &mut Laps) -> Result<Response, Error> {
        let Entries { memory, request: room_for, handle, .. } = &self.entries;
        let sandbox = &mut *self.sandbox.borrow_mut();
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

    fn memory_bytes(&self) -> u64 {
        self.entries.memory.data_size(&self.sandbox.borrow().store) as u64
    }
}

#[async_trait(?Send)]
impl Instance for Straight {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        self.answer(&request, laps)
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { model_bytes: Some(self.memory_bytes()) }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        Ok(self.memory_bytes())
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// A live sandbox with a function in it that can wait.
struct Waiting {
    rules: Arc<Rules>,
    sandbox: Parked,
    entries: Entries,
}

impl Waiting {
    async fn answer(
        &self,
        sandbox: &mut Sandbox,
        request: &Request,
        laps: &mut Laps,
    ) -> Result<Response, Error> {
        let Entries { memory, request: room_for, handle, .. } = &self.entries;
        let limit_bytes = self.rules.limits.response_bytes;
        let answered = sandbox.run_waiting(Phase::Invoke, laps, async |store, laps| {
            let len = wire::request_len(&request.as_guest())?;
            let at = room_for.call_waiting(&mut *store, len).await?;
            wire::write_request(&request.as_guest(), memory.data_mut(&mut *store), at, len)?;
            laps.mark("write");
            let at = handle.call_waiting(&mut *store, ()).await?;
            laps.mark("call");
            Ok(wire::read_response(memory.data(&*store), at, limit_bytes)?)
        });
        answered.await
    }

    /// Answers piece by piece.
    async fn answer_streamed(
        &self,
        sandbox: &mut Sandbox,
        stream: &Function<(), u32>,
        mut request: Request,
        streams: Streams,
        laps: &mut Laps,
    ) -> Result<(), Error> {
        let Entries { memory, request: room_for, .. } = &self.entries;
        let (piped, porter) = Piped::new(mem::take(&mut request.body), streams.rest);
        sandbox.store.data_mut().piped = Some(Box::new(piped));
        let answered = sandbox.run_waiting(Phase::Invoke, laps, async |store, laps| {
            let called = async {
                let len = wire::request_len(&request.as_guest())?;
                let at = room_for.call_waiting(&mut *store, len).await?;
                wire::write_request(&request.as_guest(), memory.data_mut(&mut *store), at, len)?;
                laps.mark("write");
                let at = stream.call_waiting(&mut *store, ()).await?;
                laps.mark("call");
                Ok::<_, Failure>(wire::read_complaint(memory.data(&*store), at)?)
            };
            let called = called.await;
            // Without the guest's side, the porter goes, too.
            let piped = store.data_mut().piped.take();
            let complaint = called?;
            Ok(piped.map_or(Ok(()), |piped| piped.end(complaint))?)
        });
        let served = porter.serve(&streams.outlet, self.rules.limits.response_bytes);
        future::join(answered, served).await.0
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.sandbox.read(|sandbox| self.entries.memory.data_size(&sandbox.store) as u64)
    }
}

#[async_trait(?Send)]
impl Instance for Waiting {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let mut sandbox = self.sandbox.take().map_err(|cause| self.rules.error(Phase::Invoke, cause))?;
        let answered = self.answer(&mut sandbox, &request, laps).await;
        self.sandbox.put_back(sandbox);
        answered
    }

    async fn stream(
        &self,
        request: Request,
        streams: Streams,
        laps: &mut Laps,
    ) -> Result<Option<Response>, Error> {
        let Some(stream) = &self.entries.stream else { return self.invoke(request, laps).await.map(Some) };
        let mut sandbox = self.sandbox.take().map_err(|cause| self.rules.error(Phase::Invoke, cause))?;
        let answered = self.answer_streamed(&mut sandbox, stream, request, streams, laps).await;
        self.sandbox.put_back(sandbox);
        answered.map(|()| None)
    }

    /// Unknown while an invocation runs.
    fn memory(&self) -> MemoryUse {
        MemoryUse { model_bytes: self.memory_bytes() }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        self.memory_bytes().ok_or("an invocation runs")
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}
