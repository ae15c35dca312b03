//! The executor `wasmer`: a compiler.
//!
//! Cranelift compiles the module in `prepare`. A guest is stopped at its deadline by a signal to
//! the thread that runs it. While the thread runs code of the host, Wasmer notes the signal and
//! stops the guest once that code returns. Between two calls it ignores the signal, so the watchdog
//! sends it again until the run has ended.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use isolab_core::wasi::Granted;
use isolab_core::wasi::calls::{self, PARAMETERS};
use isolab_core::watchdog::{Watch, Watchdog};
use isolab_core::{Cause, Environment, Error, Executor, Limits, Phase, Spec, wire};
use wasmer::sys::vm::TrapCode;
use wasmer::sys::{Cranelift, EngineBuilder};
use wasmer::{
    AsStoreRef, ExternType, Function, FunctionEnv, FunctionEnvMut, FunctionType, Imports, Memory,
    RuntimeError, Store, Type, TypedFunction, Value,
};

use crate::engine::{Engine, Sandbox};
use crate::executor::EngineExecutor;
use crate::host::{self, Ended, Failure, Host};

/// The executor's name in specs.
pub const NAME: &str = "wasmer";

/// Opens the executor.
///
/// # Errors
/// If the thread that enforces deadlines cannot be started.
///
/// # Panics
/// When used, if `spec` was not resolved against [`crate::SETTINGS`].
pub fn open(spec: Spec, environment: &Environment) -> Result<Arc<dyn Executor>, Error> {
    let engine = Wasmer::new().map_err(|error| {
        let cause = Cause::Unavailable(format!("the thread for deadlines cannot be started: {error}"));
        Error::new(Phase::Prepare, &spec, "*", cause).hint("raise the limit on processes (`ulimit -u`)")
    })?;
    Ok(Arc::new(EngineExecutor::new(spec, environment, engine)))
}

/// The engine.
#[derive(Clone)]
pub(crate) struct Wasmer {
    engine: wasmer::Engine,
    watchdog: Arc<Watchdog>,
}

impl Wasmer {
    pub(crate) fn new() -> io::Result<Self> {
        let engine = EngineBuilder::new(Cranelift::default()).engine().into();
        Ok(Self { engine, watchdog: Watchdog::start()? })
    }
}

impl Engine for Wasmer {
    type Module = wasmer::Module;
    type Sandbox = Instance;

    const KIND: &'static str = "compiled module";

    fn version(&self) -> (&'static str, &'static str) {
        ("wasmer", env!("WASMER_VERSION"))
    }

    fn compile(&self, wasm: &[u8]) -> Result<wasmer::Module, Cause> {
        let module = wasmer::Module::new(&self.engine, wasm).map_err(host::refused)?;
        if module.info().start_function.is_some() {
            return Err(host::refused("it has a start section, which Wasmer cannot stop at a deadline"));
        }
        for import in module.imports() {
            let ExternType::Function(kind) = import.ty() else {
                return Err(host::refused(format!("`{}` is imported and not a function", import.name())));
            };
            calls::import(import.module(), import.name())?;
            if !matches!(kind.results(), [] | [Type::I32]) || kind.params().len() > PARAMETERS {
                let name = import.name();
                return Err(host::refused(format!("`{name}` is imported with another type than WASI's")));
            }
        }
        Ok(module)
    }

    fn start(&self, module: &wasmer::Module, limits: Limits, granted: &Granted) -> Result<Instance, Cause> {
        let mut store = Store::new(self.engine.clone());
        let guest = FunctionEnv::new(&mut store, Guest { host: Host::new(granted), memory: None });
        let mut imports = Imports::new();
        for import in module.imports() {
            if let ExternType::Function(kind) = import.ty() {
                let function = define(&mut store, &guest, import.module(), import.name(), kind)?;
                imports.define(import.module(), import.name(), function);
            }
        }
        let instance = wasmer::Instance::new(&mut store, module, &imports).map_err(host::refused)?;
        let memory = instance.exports.get_memory("memory").map_err(|_| host::missing("memory"))?.clone();
        guest.as_mut(&mut store).memory = Some(memory.clone());
        let request = instance.exports.get_typed_function(&store, wire::REQUEST);
        let handle = instance.exports.get_typed_function(&store, wire::HANDLE);
        let initialize =
            wire::INITIALIZERS.map(|name| instance.exports.get_typed_function(&store, name).ok());
        let interrupter = store.interrupter();
        Ok(Instance {
            watch: self.watchdog.watch(limits.deadline, move || {
                interrupter.interrupt();
            }),
            request: request.map_err(|_| host::missing(wire::REQUEST))?,
            handle: handle.map_err(|_| host::missing(wire::HANDLE))?,
            initialize,
            guest,
            memory,
            store,
        })
    }
}

/// The state of one guest. Its memory is known once the instance is made.
struct Guest {
    host: Host,
    memory: Option<Memory>,
}

/// A function of WASI for a module that imports it with this type.
fn define(
    store: &mut Store,
    guest: &FunctionEnv<Guest>,
    module: &str,
    name: &str,
    kind: &FunctionType,
) -> Result<Function, Cause> {
    let function = calls::import(module, name)?;
    let results = kind.results().len();
    let call = move |mut guest: FunctionEnvMut<'_, Guest>, given: &[Value]| {
        let mut values = [0; PARAMETERS];
        for (value, given) in values.iter_mut().zip(given) {
            *value = bits(given);
        }
        let (Guest { host, memory }, mut store) = guest.data_and_store_mut();
        let answer = match memory {
            Some(memory) => host.call(function, bytes(memory, &mut store), &values),
            None => host.call(function, &mut [], &values),
        };
        let answer = answer.map_err(|ended| RuntimeError::user(Box::new(ended)))?;
        Ok(vec![Value::I32(answer); results])
    };
    Ok(Function::new_with_env(store, guest, kind.clone(), call))
}

/// An integer with zeros before it. WASI has no other parameters.
fn bits(value: &Value) -> u64 {
    match value {
        Value::I32(number) => u64::from(number.cast_unsigned()),
        Value::I64(number) => number.cast_unsigned(),
        _ => 0,
    }
}

/// The bytes of a memory, which no code of the guest can change or move while the store is
/// borrowed.
fn bytes<'a>(memory: &Memory, store: &'a mut (impl AsStoreRef + ?Sized)) -> &'a mut [u8] {
    let view = memory.view(store);
    // SAFETY: code that reads, writes or grows the memory needs the store, which is borrowed for as
    // long as the bytes. Another thread has no access: `set_limits` refuses shared memories.
    unsafe { std::slice::from_raw_parts_mut(view.data_ptr(), view.data_size() as usize) }
}

/// An instance in its store.
pub(crate) struct Instance {
    watch: Watch,
    request: TypedFunction<u32, u32>,
    handle: TypedFunction<(), u32>,
    initialize: [Option<TypedFunction<(), ()>>; 2],
    guest: FunctionEnv<Guest>,
    memory: Memory,
    store: Store,
}

impl Sandbox for Instance {
    fn begin(&mut self, deadline: Instant) {
        self.guest.as_mut(&mut self.store).host.wasi.set_deadline(deadline);
        self.watch.arm();
    }

    fn end(&mut self) -> bool {
        self.watch.disarm()
    }

    fn initialize(&mut self) -> Result<(), Failure> {
        for initialize in self.initialize.iter().flatten() {
            initialize.call(&mut self.store).map_err(failure)?;
        }
        Ok(())
    }

    fn request(&mut self, len: u32) -> Result<u32, Failure> {
        self.request.call(&mut self.store, len).map_err(failure)
    }

    fn handle(&mut self) -> Result<u32, Failure> {
        self.handle.call(&mut self.store).map_err(failure)
    }

    fn memory(&mut self) -> &mut [u8] {
        bytes(&self.memory, &mut self.store)
    }

    fn host(&self) -> &Host {
        &self.guest.as_ref(&self.store).host
    }
}

fn failure(error: RuntimeError) -> Failure {
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return ended.clone().into();
    }
    let reason = error.message();
    match error.to_trap() {
        Some(TrapCode::HostInterrupt) => Failure::Deadline,
        _ => Failure::Trap(reason),
    }
}
