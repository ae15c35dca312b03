//! Modules ready to be started, and live instances, of any engine.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use isolab_core::wasi::Granted;
use isolab_core::{
    Artifact, Cause, Error, Function, Instance, Laps, Limits, Memory, Phase, Prepared, Request, Response,
    Spec, wire,
};

use crate::engine::{Engine, Sandbox};
use crate::host::Failure;

/// The names for errors, and the limits of each instance.
#[derive(Clone)]
pub(crate) struct Rules {
    /// The executor's spec, in short form.
    executor: Arc<str>,
    function: Arc<str>,
    pub(crate) limits: Limits,
}

impl Rules {
    pub(crate) fn new(spec: &Spec, function: &Function) -> Self {
        let executor = spec.to_string().into();
        Self { executor, function: function.name().into(), limits: function.limits() }
    }

    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.executor, &self.function, cause)
    }
}

/// A module ready to be started.
pub(crate) struct PreparedModule<E: Engine> {
    engine: E,
    module: E::Module,
    rules: Rules,
    granted: Granted,
    artifact: Artifact,
}

impl<E: Engine> PreparedModule<E> {
    pub(crate) fn new(
        engine: E,
        module: E::Module,
        (rules, granted): (Rules, Granted),
        artifact: Artifact,
    ) -> Self {
        Self { engine, module, rules, granted, artifact }
    }

    /// Starts an instance and drops it.
    pub(crate) fn try_start(&self) -> Result<(), Cause> {
        self.begin(&mut Laps::begin()).map(drop)
    }

    fn begin(&self, laps: &mut Laps) -> Result<ModuleInstance<E::Sandbox>, Cause> {
        let sandbox = self.engine.start(&self.module, self.rules.limits, &self.granted)?;
        laps.mark("instantiate");
        let instance = ModuleInstance { sandbox: RefCell::new(sandbox), rules: self.rules.clone() };
        instance.run(laps.begun(), Sandbox::initialize)?;
        Ok(instance)
    }
}

#[async_trait(?Send)]
impl<E: Engine> Prepared for PreparedModule<E> {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn sleeps_on_thread(&self) -> bool {
        true
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let instance = self.begin(laps).map_err(|cause| self.rules.error(Phase::Start, cause))?;
        Ok(Box::new(instance))
    }
}

/// A live instance.
struct ModuleInstance<S> {
    sandbox: RefCell<S>,
    rules: Rules,
}

impl<S: Sandbox> ModuleInstance<S> {
    /// Runs the guest until the deadline, which counts from `begun`.
    fn run<T>(&self, begun: Instant, guest: impl FnOnce(&mut S) -> Result<T, Failure>) -> Result<T, Cause> {
        let sandbox = &mut *self.sandbox.borrow_mut();
        sandbox.begin(begun + self.rules.limits.deadline);
        let result = guest(sandbox);
        let is_late = sandbox.end();
        // Wasmer may name the trap that the interrupted instruction could have caused.
        let result = if is_late { Err(Failure::Deadline) } else { result };
        result.map_err(|failure| failure.cause(sandbox.host(), &self.rules.limits))
    }

    fn answer(&self, request: &Request, laps: &mut Laps) -> Result<Response, Cause> {
        let limit_bytes = self.rules.limits.response_bytes;
        let guest = request.as_guest();
        self.run(laps.begun(), |sandbox| {
            let len = wire::request_len(&guest)?;
            let at = sandbox.request(len)?;
            wire::write_request(&guest, sandbox.memory(), at, len)?;
            laps.mark("write");
            let at = sandbox.handle()?;
            laps.mark("call");
            Ok(wire::read_response(sandbox.memory(), at, limit_bytes)?)
        })
    }
}

#[async_trait(?Send)]
impl<S: Sandbox> Instance for ModuleInstance<S> {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        self.answer(&request, laps).map_err(|cause| self.rules.error(Phase::Invoke, cause))
    }

    fn memory(&self) -> Memory {
        Memory { model_bytes: Some(self.sandbox.borrow_mut().memory().len() as u64) }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        Ok(self.sandbox.borrow_mut().memory().len() as u64)
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}
