//! The executor `wasmi`: an interpreter.
//!
//! The interpreter counts its steps as fuel. After [`STEPS`] of them it pauses, and the host looks
//! at the clock; before the deadline, the guest goes on where it was.

use std::sync::Arc;
use std::time::Instant;

use isolab_core::wasi::Granted;
use isolab_core::wasi::calls::{self, PARAMETERS};
use isolab_core::{Cause, Environment, Executor, Limits, Spec, wire};
use wasmi::errors::HostError;
use wasmi::{
    Caller, CompilationMode, Config, Extern, ExternType, FuncType, Linker, ResourceLimiter, Store, TypedFunc,
    TypedResumableCall, Val, ValType, WasmParams, WasmResults,
};
use wasmi_core::LimiterError;

use crate::engine::{Engine, Sandbox};
use crate::executor::EngineExecutor;
use crate::host::{self, Ended, Failure, Host};

/// The executor's name in specs.
pub const NAME: &str = "wasmi";

/// The fuel between two looks at the clock. The interpreter takes some milliseconds for it.
const STEPS: u64 = 1_000_000;

/// The most calls within each other. The default, 1,000, is too few for a parser in JavaScript;
/// the size of the stack stops endless recursion as well.
const CALLS: usize = 100_000;

/// The most bytes of the interpreter's stack: as many as the executor `wasm` allows, 512 KiB, and
/// as much again, because the interpreter's values are larger than those of compiled code.
const STACK_BYTES: usize = 1 << 20;

/// Opens the executor.
///
/// # Panics
/// When used, if `spec` was not resolved against [`crate::SETTINGS`].
pub fn open(spec: Spec, environment: &Environment) -> Arc<dyn Executor> {
    Arc::new(EngineExecutor::new(spec, environment, Wasmi::new()))
}

impl HostError for Ended {}

/// The maximum in the module is the limit of its memory.
impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

/// The engine.
#[derive(Clone)]
pub(crate) struct Wasmi(wasmi::Engine);

impl Wasmi {
    pub(crate) fn new() -> Self {
        let mut config = Config::default();
        config
            .consume_fuel(true)
            .compilation_mode(CompilationMode::Eager)
            .allow_start_fn(false)
            .set_max_recursion_depth(CALLS)
            .set_max_stack_height(STACK_BYTES);
        Self(wasmi::Engine::new(&config))
    }
}

/// A module and its imports.
pub(crate) struct Linked {
    module: wasmi::Module,
    linker: Linker<Host>,
}

impl Engine for Wasmi {
    type Module = Linked;
    type Sandbox = Instance;

    const KIND: &'static str = "interpreter's code";

    fn version(&self) -> (&'static str, &'static str) {
        ("wasmi", env!("WASMI_VERSION"))
    }

    fn compile(&self, wasm: &[u8]) -> Result<Linked, Cause> {
        let module = wasmi::Module::new(&self.0, wasm).map_err(host::refused)?;
        let mut linker = Linker::new(&self.0);
        // A module may import the same function twice.
        linker.allow_shadowing(true);
        for import in module.imports() {
            let ExternType::Func(kind) = import.ty() else {
                return Err(host::refused(format!("`{}` is imported and not a function", import.name())));
            };
            define(&mut linker, import.module(), import.name(), kind)?;
        }
        Ok(Linked { module, linker })
    }

    fn start(
        &self,
        Linked { module, linker }: &Linked,
        _limits: Limits,
        granted: &Granted,
    ) -> Result<Instance, Cause> {
        let mut store = Store::new(&self.0, Host::new(granted));
        store.limiter(|host| host);
        let instance = linker.instantiate_and_start(&mut store, module).map_err(host::refused)?;
        let memory = instance.get_memory(&store, "memory").ok_or_else(|| host::missing("memory"))?;
        let request = instance.get_typed_func(&store, wire::REQUEST);
        let handle = instance.get_typed_func(&store, wire::HANDLE);
        let initialize = wire::INITIALIZERS.map(|name| instance.get_typed_func(&store, name).ok());
        Ok(Instance {
            memory,
            request: request.map_err(|_| host::missing(wire::REQUEST))?,
            handle: handle.map_err(|_| host::missing(wire::HANDLE))?,
            initialize,
            deadline: Instant::now(),
            store,
        })
    }
}

/// Defines a function of WASI for a module that imports it with this type.
fn define(linker: &mut Linker<Host>, module: &str, name: &str, kind: &FuncType) -> Result<(), Cause> {
    let function = calls::import(module, name)?;
    if !matches!(kind.results(), [] | [ValType::I32]) || kind.params().len() > PARAMETERS {
        return Err(host::refused(format!("`{name}` is imported with another type than WASI's")));
    }
    let call = move |mut guest: Caller<'_, Host>, given: &[Val], results: &mut [Val]| {
        let mut values = [0; PARAMETERS];
        for (value, given) in values.iter_mut().zip(given) {
            *value = bits(given);
        }
        let answer = match guest.get_export("memory") {
            Some(Extern::Memory(memory)) => {
                let (bytes, host) = memory.data_and_store_mut(&mut guest);
                host.call(function, bytes, &values)
            }
            _ => guest.data_mut().call(function, &mut [], &values),
        };
        let answer = answer.map_err(wasmi::Error::host)?;
        results.fill(Val::I32(answer));
        Ok(())
    };
    linker.func_new(module, name, kind.clone(), call).map_err(host::refused)?;
    Ok(())
}

/// An integer with zeros before it. WASI has no other parameters.
fn bits(value: &Val) -> u64 {
    match value {
        Val::I32(number) => u64::from(number.cast_unsigned()),
        Val::I64(number) => number.cast_unsigned(),
        _ => 0,
    }
}

/// An instance in its store.
pub(crate) struct Instance {
    store: Store<Host>,
    memory: wasmi::Memory,
    request: TypedFunc<u32, u32>,
    handle: TypedFunc<(), u32>,
    initialize: [Option<TypedFunc<(), ()>>; 2],
    deadline: Instant,
}

/// Runs a call until it ends, or until the first pause after the deadline.
fn run<P: WasmParams, R: WasmResults>(
    store: &mut Store<Host>,
    deadline: Instant,
    function: TypedFunc<P, R>,
    parameters: P,
) -> Result<R, Failure> {
    store.set_fuel(STEPS).map_err(internal)?;
    let mut call = function.call_resumable(&mut *store, parameters).map_err(|error| failure(&error))?;
    loop {
        call = match call {
            TypedResumableCall::Finished(result) => return Ok(result),
            TypedResumableCall::HostTrap(trap) => return Err(failure(trap.host_error())),
            TypedResumableCall::OutOfFuel(_) if Instant::now() >= deadline => return Err(Failure::Deadline),
            TypedResumableCall::OutOfFuel(paused) => {
                // A single step, such as one that fills a large part of the memory, can take more.
                store.set_fuel(paused.required_fuel().max(STEPS)).map_err(internal)?;
                paused.resume(&mut *store).map_err(|error| failure(&error))?
            }
        };
    }
}

impl Sandbox for Instance {
    fn begin(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.store.data_mut().wasi.set_deadline(deadline);
    }

    fn end(&mut self) -> bool {
        false
    }

    fn initialize(&mut self) -> Result<(), Failure> {
        for initialize in self.initialize.iter().flatten() {
            run(&mut self.store, self.deadline, *initialize, ())?;
        }
        Ok(())
    }

    fn request(&mut self, len: u32) -> Result<u32, Failure> {
        run(&mut self.store, self.deadline, self.request, len)
    }

    fn handle(&mut self) -> Result<u32, Failure> {
        run(&mut self.store, self.deadline, self.handle, ())
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    fn host(&self) -> &Host {
        self.store.data()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
fn internal(error: wasmi::Error) -> Failure {
    Failure::Cause(Cause::Internal(error.to_string()))
}

fn failure(error: &wasmi::Error) -> Failure {
    match error.downcast_ref::<Ended>() {
        Some(ended) => ended.clone().into(),
        None => Failure::Trap(error.to_string()),
    }
}
