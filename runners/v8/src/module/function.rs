//! Functions of the variant `rust`.

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use isolab_core::wasi::{Granted, Stdout};
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Memory, Phase, Prepared, Request, Response, wire};

use super::compiled::{Compiled, Exports, Sandbox, as_artifact};
use super::linear;
use crate::isolate::Failure;
use crate::rules::Rules;

/// A module that is ready to be started.
pub(crate) struct PreparedModule {
    compiled: Compiled,
    artifact: Artifact,
}

impl PreparedModule {
    /// Compiles a module, and starts it once to find errors during `prepare`.
    pub(crate) fn new(
        rules: Rules,
        granted: Granted,
        module: &[u8],
        source_digest: String,
        laps: &mut Laps,
    ) -> Result<Self, Cause> {
        let compiled = Compiled::new(rules, granted, module)?;
        laps.mark("compile");
        let bytes = module.len() as u64;
        let artifact = Artifact { kind: "compiled module", source_digest, bytes, cached: false };
        let prepared = Self { compiled, artifact };
        ModuleInstance::start(&prepared, &mut Laps::begin()).map_err(as_artifact)?;
        laps.mark("try");
        Ok(prepared)
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedModule {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn sleeps_on_thread(&self) -> bool {
        true
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let started = ModuleInstance::start(self, laps);
        Ok(Box::new(started.map_err(|cause| self.compiled.rules.error(Phase::Start, cause))?))
    }
}

/// The exports that answer a request.
struct Handler {
    request: v8::Global<v8::Function>,
    handle: v8::Global<v8::Function>,
}

impl Handler {
    /// Runs the constructors of a reactor, and then the function's own initialisation, if it has them.
    fn begin(scope: &mut v8::PinScope<'_, '_>, exports: Exports<'_>) -> Result<Self, Failure> {
        for name in wire::INITIALIZERS {
            if let Some(initialize) = exports.find::<v8::Function>(scope, name)? {
                let undefined = v8::undefined(scope).into();
                initialize.call(scope, undefined, &[]).ok_or(Failure::Thrown)?;
            }
        }
        let mut find = |name| {
            let function = exports.find::<v8::Function>(scope, name)?.ok_or_else(|| {
                Cause::Artifact(format!(
                    "the module does not export `{name}`; a function needs `isolab_sdk::export!`"
                ))
            })?;
            Ok::<_, Failure>(v8::Global::new(scope, function))
        };
        Ok(Self { request: find(wire::REQUEST)?, handle: find(wire::HANDLE)? })
    }
}

/// An isolate with an instance of a module in it.
struct ModuleInstance {
    handler: Handler,
    /// The size of the linear memory after the last invocation.
    linear_bytes: Cell<u64>,
    sandbox: RefCell<Sandbox>,
}

impl ModuleInstance {
    fn start(prepared: &PreparedModule, laps: &mut Laps) -> Result<Self, Cause> {
        let (sandbox, handler) = prepared.compiled.start(Stdout::Console, laps, Handler::begin)?;
        Ok(Self { handler, linear_bytes: Cell::new(0), sandbox: RefCell::new(sandbox) })
    }

    fn answer(&self, sandbox: &mut Sandbox, request: &Request, laps: &mut Laps) -> Result<Response, Cause> {
        let Self { handler, linear_bytes, .. } = self;
        let limits = sandbox.rules.limits;
        let answered = sandbox.run(laps.begun(), |scope, memory| {
            let memory = v8::Local::new(scope, memory);
            let guest = request.as_guest();
            let len = wire::request_len(&guest)?;
            let at = address(scope, &handler.request, &[len])?;
            wire::write_request(&guest, linear::bytes(scope, memory), at, len)?;
            let at = address(scope, &handler.handle, &[])?;
            laps.mark("call");
            let bytes = linear::bytes(scope, memory);
            linear_bytes.set(bytes.len() as u64);
            Ok(wire::read_response(bytes, at, limits.response_bytes))
        });
        answered.unwrap_or_else(|ended| Err(ended.cause(&sandbox.host, &limits)))
    }
}

#[async_trait(?Send)]
impl Instance for ModuleInstance {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let sandbox = &mut *self.sandbox.borrow_mut();
        let answered = self.answer(sandbox, &request, laps);
        answered.map_err(|cause| sandbox.rules.error(Phase::Invoke, cause))
    }

    fn memory(&self) -> Memory {
        self.sandbox.borrow_mut().memory()
    }

    /// The size of the linear memory, which never shrinks. The heap is left out: the
    /// function's code cannot allocate there.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        Ok(self.linear_bytes.get())
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// Calls a function that returns an address.
fn address(
    scope: &mut v8::PinScope<'_, '_>,
    function: &v8::Global<v8::Function>,
    numbers: &[u32],
) -> Result<u32, Failure> {
    let mut arguments: [v8::Local<'_, v8::Value>; 1] = [v8::undefined(scope).into()];
    for (argument, number) in arguments.iter_mut().zip(numbers) {
        *argument = v8::Integer::new_from_unsigned(scope, *number).into();
    }
    let function = v8::Local::new(scope, function);
    let answer = function.call(scope, v8::undefined(scope).into(), &arguments[..numbers.len()]);
    answer.and_then(|answer| answer.uint32_value(scope)).ok_or(Failure::Thrown)
}
