//! The variant `rust`: a Wasm module in V8's own Wasm engine.
//!
//! The module is compiled once, and all its instances share the code. V8 compiles each
//! function with its fast compiler at the first call, and again in the background with its
//! optimising compiler once the function is hot. V8's API for Rust cannot serialise that
//! code, so there is no artifact to cache.

mod linear;
mod wasi;

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Limits, Memory, Phase, Prepared, Request, Response, binary,
};
use isolab_sdk::{INITIALIZE, wire};

use self::linear::Linear;
use self::wasi::Wasi;
use crate::isolate::{Failure, Isolate};
use crate::rules::Rules;

/// How many bytes of a response may be headers, in its wire form.
const HEADERS_BYTES: u64 = 64 << 10;

/// A module that is ready to be started.
pub(crate) struct PreparedModule {
    rules: Rules,
    compiled: v8::CompiledWasmModule,
    /// Names of what it imports from WASI.
    imports: Vec<String>,
    artifact: Artifact,
}

impl PreparedModule {
    /// Compiles a module, and starts it once to find errors during `prepare`.
    pub(crate) fn new(
        rules: Rules,
        module: &[u8],
        source_digest: String,
        laps: &mut Laps,
    ) -> Result<Self, Cause> {
        let limited = binary::set_limits(module, rules.limits.memory_bytes).map_err(Cause::Artifact)?;
        let mut isolate = Isolate::new(None, rules.limits, &rules.watchdog);
        let compile = |scope: &mut v8::PinScope<'_, '_>| {
            let module = v8::WasmModuleObject::compile(scope, &limited).ok_or(Failure::Thrown)?;
            Ok((module.get_compiled_module(), wasi_imports(scope, module)?))
        };
        let (_, (compiled, imports)) = isolate.begin(compile).map_err(as_artifact)?;
        laps.mark("compile");
        let bytes = module.len() as u64;
        let artifact = Artifact { kind: "compiled module", source_digest, bytes, cached: false };
        let prepared = Self { rules, compiled, imports, artifact };
        ModuleInstance::start(&prepared, &mut Laps::begin()).map_err(as_artifact)?;
        laps.mark("try");
        Ok(prepared)
    }
}

/// A module that fails at its first start makes no artifact.
fn as_artifact(cause: Cause) -> Cause {
    match cause {
        Cause::Threw(text) | Cause::Trapped(text) | Cause::InvalidResponse(text) => Cause::Artifact(text),
        cause => cause,
    }
}

/// The names that the module imports from WASI. V8 reports any other import as missing when
/// the module is started.
fn wasi_imports(
    scope: &mut v8::PinScope<'_, '_>,
    module: v8::Local<'_, v8::WasmModuleObject>,
) -> Result<Vec<String>, Failure> {
    let list = function(scope, &["WebAssembly", "Module", "imports"])?;
    let undefined = v8::undefined(scope).into();
    let list = list.call(scope, undefined, &[module.into()]).ok_or(Failure::Thrown)?;
    let list = v8::Local::<v8::Array>::try_from(list).map_err(|_| Failure::Thrown)?;
    let mut names = Vec::new();
    for index in 0..list.length() {
        let import = list.get_index(scope, index).ok_or(Failure::Thrown)?;
        if property(scope, import, "module")?.to_rust_string_lossy(scope) == wasi::MODULE {
            names.push(property(scope, import, "name")?.to_rust_string_lossy(scope));
        }
    }
    Ok(names)
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
        let instance =
            ModuleInstance::start(self, laps).map_err(|cause| self.rules.error(Phase::Start, cause))?;
        Ok(Box::new(instance))
    }
}

/// The exports that the host uses.
struct Exports {
    memory: v8::Global<v8::WasmMemoryObject>,
    request: v8::Global<v8::Function>,
    handle: v8::Global<v8::Function>,
}

/// An isolate with an instance of a module in it.
struct ModuleInstance {
    rules: Rules,
    context: v8::Global<v8::Context>,
    exports: Exports,
    /// The size of the linear memory after the last invocation.
    linear_bytes: Cell<u64>,
    isolate: RefCell<Isolate>,
}

impl ModuleInstance {
    fn start(prepared: &PreparedModule, laps: &mut Laps) -> Result<Self, Cause> {
        let rules = prepared.rules.clone();
        let mut isolate = Isolate::new(None, rules.limits, &rules.watchdog);
        laps.mark("isolate");
        let started = isolate.begin(|scope| instantiate(scope, prepared));
        let started = in_time(started, &isolate, rules.limits);
        let (context, exports) = started.map_err(|cause| explained(cause, &isolate, rules.limits))?;
        laps.mark("instantiate");
        let (linear_bytes, isolate) = (Cell::new(0), RefCell::new(isolate));
        Ok(Self { rules, context, exports, linear_bytes, isolate })
    }

    fn invoke(&self, request: &Request, laps: &mut Laps) -> Result<Response, Cause> {
        let Self { rules, context, exports, linear_bytes, isolate } = self;
        let isolate = &mut *isolate.borrow_mut();
        let answered = isolate.run(context, |scope| {
            if let Some(wasi) = scope.get_slot_mut::<Wasi>() {
                wasi.set_deadline(laps.begun() + rules.limits.deadline);
            }
            let memory = v8::Local::new(scope, &exports.memory);
            let guest = request.as_guest();
            let len = u32::try_from(wire::request_len(&guest))
                .map_err(|_| Cause::Trapped("the request is larger than a 32-bit memory".into()))?;
            let at = address(scope, &exports.request, &[len])?;
            let mut linear = Linear::new(scope, memory);
            let room = linear.get_mut(at, len).ok_or_else(|| outside("room for the request", at))?;
            wire::write_request(&guest, room);
            let at = address(scope, &exports.handle, &[])?;
            laps.mark("call");
            let linear = Linear::new(scope, memory);
            linear_bytes.set(linear.len() as u64);
            Ok(read(&linear, at, rules.limits.response_bytes))
        });
        let answered = in_time(answered, isolate, rules.limits);
        answered.map_err(|cause| explained(cause, isolate, rules.limits))?
    }
}

/// Refuses the result of a module that slept until its deadline: V8 stops it only at its next loop or
/// call, which may not come.
fn in_time<T>(result: Result<T, Cause>, isolate: &Isolate, limits: Limits) -> Result<T, Cause> {
    match isolate.slot::<Wasi>() {
        Some(wasi) if wasi.is_late() => Err(Cause::DeadlineExceeded(limits.deadline)),
        _ => result,
    }
}

#[async_trait(?Send)]
impl Instance for ModuleInstance {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        ModuleInstance::invoke(self, &request, laps).map_err(|cause| self.rules.error(Phase::Invoke, cause))
    }

    /// Heap and linear memory.
    fn memory(&self) -> Memory {
        let Self { context, exports, isolate, .. } = self;
        let isolate = &mut *isolate.borrow_mut();
        let linear = isolate.run(context, |scope| {
            let memory = v8::Local::new(scope, &exports.memory);
            Ok(Linear::new(scope, memory).len() as u64)
        });
        Memory { model_bytes: linear.ok().map(|linear| linear + isolate.used_bytes()) }
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

/// Makes an instance in the scope's context. Runs the constructors of a reactor, and then the
/// function's own initialisation, if it has them.
fn instantiate(scope: &mut v8::PinScope<'_, '_>, prepared: &PreparedModule) -> Result<Exports, Failure> {
    scope.set_slot(Wasi::new(prepared.rules.limits.deadline));
    let module =
        v8::WasmModuleObject::from_compiled_module(scope, &prepared.compiled).ok_or(Failure::Thrown)?;
    let functions = v8::Object::new(scope);
    for name in &prepared.imports {
        let function = wasi::import(scope, name).ok_or(Failure::Thrown)?;
        set(scope, functions, name, function.into())?;
    }
    let imports = v8::Object::new(scope);
    set(scope, imports, wasi::MODULE, functions.into())?;
    let constructor = function(scope, &["WebAssembly", "Instance"])?;
    let instance =
        constructor.new_instance(scope, &[module.into(), imports.into()]).ok_or(Failure::Thrown)?;
    let exports = property(scope, instance.into(), "exports")?;
    let memory: v8::Local<'_, v8::WasmMemoryObject> = export(scope, exports, "memory")?;
    let memory = v8::Global::new(scope, memory);
    if let Some(wasi) = scope.get_slot_mut::<Wasi>() {
        wasi.attach(memory.clone());
    }
    for name in ["_initialize", INITIALIZE] {
        if let Ok(initialize) = export::<v8::Function>(scope, exports, name) {
            let undefined = v8::undefined(scope).into();
            initialize.call(scope, undefined, &[]).ok_or(Failure::Thrown)?;
        }
    }
    let [request, handle] = ["isolab_request", "isolab_handle"].map(|name| {
        let function: v8::Local<'_, v8::Function> = export(scope, exports, name)?;
        Ok::<_, Failure>(v8::Global::new(scope, function))
    });
    Ok(Exports { memory, request: request?, handle: handle? })
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

/// Reads the response at an address, where its length precedes it.
fn read(linear: &Linear<'_>, at: u32, limit: u64) -> Result<Response, Cause> {
    let len = linear.u32(at).ok_or_else(|| outside("the response", at))?;
    if u64::from(len) > limit.saturating_add(HEADERS_BYTES) {
        return Err(Cause::ResponseTooLarge(limit));
    }
    let bytes =
        at.checked_add(4).and_then(|at| linear.get(at, len)).ok_or_else(|| outside("the response", at))?;
    isolab_core::wire::decode_response(bytes, limit)
}

fn outside(what: &str, at: u32) -> Cause {
    Cause::InvalidResponse(format!("{what} at address {at:#x} lies outside of the memory"))
}

/// Adds to a cause what WASI knows: an exit code, or the end of standard error.
///
/// V8 does not report that it refused to grow a memory. Running out of memory is recognised by
/// the message with which Rust's standard library aborts.
fn explained(cause: Cause, isolate: &Isolate, limits: Limits) -> Cause {
    // A trap of Wasm is an exception in V8.
    let (Cause::Threw(text), Some(wasi)) = (&cause, isolate.slot::<Wasi>()) else {
        return cause;
    };
    let stderr = wasi.stderr();
    if stderr.lines().any(|line| line.starts_with("memory allocation of ") && line.ends_with(" bytes failed"))
    {
        return Cause::OutOfMemory(limits.memory_bytes);
    }
    let with_stderr = |text: &str| if stderr.is_empty() { text.into() } else { format!("{text}: {stderr}") };
    match wasi.exit_code() {
        Some(code) => Cause::Crashed(with_stderr(&format!("exit code {code}"))),
        None => Cause::Trapped(with_stderr(text)),
    }
}

/// The function at a path below the global object.
fn function<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    path: &[&str],
) -> Result<v8::Local<'s, v8::Function>, Failure> {
    let mut value: v8::Local<'_, v8::Value> = scope.get_current_context().global(scope).into();
    for name in path {
        value = property(scope, value, name)?;
    }
    value.try_into().map_err(|_| Cause::Internal(format!("V8 has no function {}", path.join("."))).into())
}

fn property<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'_, v8::Value>,
    name: &str,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    let name = v8::String::new(scope, name).ok_or(Failure::Thrown)?;
    let object = value.to_object(scope).ok_or(Failure::Thrown)?;
    object.get(scope, name.into()).ok_or(Failure::Thrown)
}

fn set(
    scope: &mut v8::PinScope<'_, '_>,
    object: v8::Local<'_, v8::Object>,
    name: &str,
    value: v8::Local<'_, v8::Value>,
) -> Result<(), Failure> {
    let name = v8::String::new(scope, name).ok_or(Failure::Thrown)?;
    object.set(scope, name.into(), value).map(|_| ()).ok_or(Failure::Thrown)
}

/// An export of the given type. If it is missing, the module is at fault.
fn export<'s, T>(
    scope: &mut v8::PinScope<'s, '_>,
    exports: v8::Local<'_, v8::Value>,
    name: &str,
) -> Result<v8::Local<'s, T>, Failure>
where
    v8::Local<'s, v8::Value>: TryInto<v8::Local<'s, T>>,
{
    let value = property(scope, exports, name)?;
    value.try_into().map_err(|_| {
        Cause::Artifact(format!(
            "the module does not export `{name}`; a function needs `isolab_sdk::export!`"
        ))
        .into()
    })
}

#[cfg(test)]
mod tests;
