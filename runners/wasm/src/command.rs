//! Foreign WASI commands. The query is the environment, the body of the request is standard
//! input, and standard output is the response. Each instance runs once. A query cannot replace a
//! variable that the command is granted.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::wasi::command;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Memory as MemoryUse, Phase, Prepared, Request, Response,
};
use wasmtime::{Memory, Module};

use crate::exports::{Function, FunctionExport, MemoryExport};
use crate::fault::Failure;
use crate::host::Host;
use crate::rules::Rules;
use crate::sandbox::{Linked, Parked, Sandbox};

/// A command ready to be started.
pub(crate) struct PreparedCommand {
    linked: Linked,
    artifact: Artifact,
    exports: Exports,
}

struct Exports {
    memory: MemoryExport,
    start: FunctionExport<(), ()>,
}

impl Exports {
    fn of(module: &Module) -> Result<Self, Cause> {
        let start = FunctionExport::of(module, command::START).ok_or_else(command::not_a_command)?;
        Ok(Self { memory: MemoryExport::of(module)?, start })
    }

    fn find(&self, sandbox: &mut Sandbox, rules: &Rules) -> Result<(Memory, Function<(), ()>), Error> {
        let found = |sandbox: &mut Sandbox| -> Result<_, Failure> {
            Ok((sandbox.memory(&self.memory)?, sandbox.function(&self.start)?))
        };
        found(sandbox).map_err(|failure| sandbox.error(rules, Phase::Start, failure))
    }
}

impl PreparedCommand {
    pub(crate) fn new(linked: Linked, artifact: Artifact) -> Result<Self, Cause> {
        let exports = Exports::of(linked.module())?;
        Ok(Self { linked, artifact, exports })
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedCommand {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn max_uses(&self) -> Option<u64> {
        Some(1)
    }

    fn sleeps_on_thread(&self) -> bool {
        self.linked.setup.way.sleeps_on_thread(self.linked.module())
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let rules = &self.linked.rules;
        let stdout = command::stdout(&rules.limits);
        let mut sandbox = self.linked.start(stdout, Phase::Start, laps).await?;
        laps.mark("instantiate");
        let (memory, start) = self.exports.find(&mut sandbox, rules)?;
        Ok(Box::new(Live { rules: Arc::clone(rules), sandbox: Parked::new(sandbox), memory, start }))
    }
}

/// A command that has not run yet.
struct Live {
    rules: Arc<Rules>,
    sandbox: Parked,
    memory: Memory,
    start: Function<(), ()>,
}

impl Live {
    fn memory_bytes(&self) -> Option<u64> {
        self.sandbox.read(|sandbox| self.memory.data_size(&sandbox.store) as u64)
    }
}

#[async_trait(?Send)]
impl Instance for Live {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let start = &self.start;
        let mut sandbox = self.sandbox.take().map_err(|cause| self.rules.error(Phase::Invoke, cause))?;
        let answered = sandbox.run(&self.rules, Phase::Invoke, laps, async |store, laps| {
            store.data_mut().give(&self.rules.granted, request);
            let ended = start.call(&mut *store, ()).await;
            response(store.data_mut(), ended, laps)
        });
        let answered = answered.await;
        self.sandbox.put_back(sandbox);
        answered
    }

    /// Unknown while the command runs.
    fn memory(&self) -> MemoryUse {
        MemoryUse { model_bytes: self.memory_bytes() }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        self.memory_bytes().ok_or("the command runs")
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// The response of a command that has ended.
fn response(host: &mut Host, ended: wasmtime::Result<()>, laps: &mut Laps) -> Result<Response, Failure> {
    match ended.map_err(Failure::from) {
        Err(failure) if !failure.is_success() => return Err(failure),
        _ => laps.mark("call"),
    }
    Ok(command::response(host.take_body())?)
}
