//! Functions with the wire form of `isolab_sdk`: the variants `rust`, `js` and `module`.

use std::mem;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, future};
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

    fn find(&self, sandbox: &mut Sandbox, rules: &Rules, phase: Phase) -> Result<Entries, Error> {
        let found = |sandbox: &mut Sandbox| -> Result<_, Failure> {
            let memory = sandbox.memory(&self.memory)?;
            let request = sandbox.function(&self.request)?;
            let handle = sandbox.function(&self.handle)?;
            let stream = self.stream.as_ref().map(|export| sandbox.function(export)).transpose()?;
            Ok(Entries { memory, request, handle, stream })
        };
        found(sandbox).map_err(|failure| sandbox.error(rules, phase, failure))
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
    /// # Panics
    /// If the instances of this module, as it was linked, do not run straight.
    pub(crate) fn try_start(&self) -> Result<(), Error> {
        let mut laps = Laps::begin();
        let started = self.begin(Phase::Prepare, &mut laps).now_or_never();
        let started = started.expect("a module that runs straight never waits");
        started.map(|_| ()).map_err(initialize::refused)
    }

    async fn begin(&self, phase: Phase, laps: &mut Laps) -> Result<Live, Error> {
        let rules = &self.linked.rules;
        let mut sandbox = self.linked.start(Stdout::Console, phase, laps).await?;
        laps.mark("instantiate");
        let entries = self.exports.find(&mut sandbox, rules, phase)?;
        self.initialization.run(&mut sandbox, rules, phase, laps).await?;
        Ok(Live { rules: Arc::clone(rules), sandbox: Parked::new(sandbox), entries })
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedFunction {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn streams(&self) -> bool {
        self.linked.setup.way == Way::Streaming
    }

    fn sleeps_on_thread(&self) -> bool {
        self.linked.setup.way.sleeps_on_thread(self.linked.module())
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(self.begin(Phase::Start, laps).await?))
    }
}

/// The exports in an instance.
struct Entries {
    memory: Memory,
    request: Function<u32, u32>,
    handle: Function<(), u32>,
    stream: Option<Function<(), u32>>,
}

/// A live sandbox with a function in it.
struct Live {
    rules: Arc<Rules>,
    sandbox: Parked,
    entries: Entries,
}

impl Live {
    async fn answer(
        &self,
        sandbox: &mut Sandbox,
        request: &Request,
        laps: &mut Laps,
    ) -> Result<Response, Error> {
        let Entries { memory, request: room_for, handle, .. } = &self.entries;
        let limit_bytes = self.rules.limits.response_bytes;
        let answered = sandbox.run(&self.rules, Phase::Invoke, laps, async |store, laps| {
            let len = wire::request_len(&request.as_guest())?;
            let at = room_for.call(&mut *store, len).await?;
            wire::write_request(&request.as_guest(), memory.data_mut(&mut *store), at, len)?;
            laps.mark("write");
            let at = handle.call(&mut *store, ()).await?;
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
        sandbox.store.data_mut().begin_streams(piped);
        let answered = async {
            let ran = sandbox.run(&self.rules, Phase::Invoke, laps, async |store, laps| {
                let len = wire::request_len(&request.as_guest())?;
                let at = room_for.call(&mut *store, len).await?;
                wire::write_request(&request.as_guest(), memory.data_mut(&mut *store), at, len)?;
                laps.mark("write");
                let at = stream.call(&mut *store, ()).await?;
                laps.mark("call");
                Ok(wire::read_complaint(memory.data(&*store), at)?)
            });
            let ran = ran.await;
            // Without the guest's side, the porter goes, too.
            let piped = sandbox.store.data_mut().end_streams();
            let complaint = ran?;
            let ended = piped.map_or(Ok(()), |piped| piped.end(complaint));
            ended.map_err(|cause| sandbox.error(&self.rules, Phase::Invoke, cause.into()))
        };
        let served = porter.serve(&streams.outlet, self.rules.limits.response_bytes);
        future::join(answered, served).await.0
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.sandbox.read(|sandbox| self.entries.memory.data_size(&sandbox.store) as u64)
    }
}

#[async_trait(?Send)]
impl Instance for Live {
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
