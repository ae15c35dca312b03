//! Foreign WASI commands. Each instance runs once.

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use isolab_core::wasi::{Granted, command};
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Memory, Phase, Prepared, Request, Response};

use super::compiled::{Compiled, Sandbox, as_artifact};
use super::wasi::Ended;
use crate::isolate::Failure;
use crate::rules::Rules;

/// A command that is ready to be started.
pub(crate) struct PreparedCommand {
    compiled: Compiled,
    granted: Granted,
    artifact: Artifact,
}

impl PreparedCommand {
    /// Compiles a command, and makes an instance once to find errors during `prepare`. The command does
    /// not run.
    pub(crate) fn new(
        rules: Rules,
        granted: Granted,
        module: &[u8],
        source_digest: String,
        laps: &mut Laps,
    ) -> Result<Self, Cause> {
        let compiled = Compiled::new(rules, granted.clone(), module)?;
        laps.mark("compile");
        let bytes = module.len() as u64;
        let artifact = Artifact { kind: "compiled module", source_digest, bytes, cached: false };
        let prepared = Self { compiled, granted, artifact };
        prepared.begin(&mut Laps::begin()).map_err(as_artifact)?;
        laps.mark("try");
        Ok(prepared)
    }

    fn begin(&self, laps: &mut Laps) -> Result<CommandInstance, Cause> {
        let stdout = command::stdout(&self.compiled.rules.limits);
        let (sandbox, start) = self.compiled.start(stdout, laps, |scope, exports| {
            let start = exports.find::<v8::Function>(scope, command::START)?;
            Ok(v8::Global::new(scope, start.ok_or_else(command::not_a_command)?))
        })?;
        let (granted, linear_bytes) = (self.granted.clone(), Cell::new(None));
        Ok(CommandInstance { granted, start, linear_bytes, sandbox: RefCell::new(sandbox) })
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
        true
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let started = self.begin(laps);
        Ok(Box::new(started.map_err(|cause| self.compiled.rules.error(Phase::Start, cause))?))
    }
}

/// A command that has not run yet.
struct CommandInstance {
    granted: Granted,
    start: v8::Global<v8::Function>,
    /// The size of the linear memory once the command has returned. One that has exited has left its
    /// isolate stopped.
    linear_bytes: Cell<Option<u64>>,
    sandbox: RefCell<Sandbox>,
}

impl CommandInstance {
    fn answer(&self, sandbox: &mut Sandbox, request: Request, laps: &mut Laps) -> Result<Response, Cause> {
        sandbox.host.with(|wasi| command::give(wasi, &self.granted, request));
        let ended = sandbox.run(laps.begun(), |scope, memory| {
            let start = v8::Local::new(scope, &self.start);
            let undefined = v8::undefined(scope).into();
            let ended = start.call(scope, undefined, &[]);
            let memory = v8::Local::new(scope, memory);
            self.linear_bytes.set(Some(super::linear::bytes(scope, memory).len() as u64));
            ended.map(|_| ()).ok_or(Failure::Thrown)
        });
        if let Err(Ended::Cause(cause)) = ended {
            return Err(cause);
        }
        laps.mark("call");
        sandbox.host.with(|wasi| command::response(wasi.take_body()))
    }
}

#[async_trait(?Send)]
impl Instance for CommandInstance {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let sandbox = &mut *self.sandbox.borrow_mut();
        let answered = self.answer(sandbox, request, laps);
        answered.map_err(|cause| sandbox.rules.error(Phase::Invoke, cause))
    }

    /// Unknown once the command has exited.
    fn memory(&self) -> Memory {
        match self.linear_bytes.get() {
            Some(bytes) => Memory { model_bytes: Some(bytes) },
            None => self.sandbox.borrow_mut().memory(),
        }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        self.linear_bytes.get().ok_or("the command has not run")
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}
