//! Compiled modules, and instances of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use isolab_core::wasi::calls::{self, Call};
use isolab_core::wasi::{Granted, Stdout};
use isolab_core::{Cause, Laps, Memory, binary};

use super::linear;
use super::wasi::{self, Ended, Host};
use crate::isolate::{Failure, Isolate};
use crate::rules::Rules;

/// A compiled module, and the functions of WASI that it imports.
pub(super) struct Compiled {
    pub(super) rules: Rules,
    granted: Granted,
    module: v8::CompiledWasmModule,
    /// The names of its imports.
    imports: Vec<String>,
    /// The functions of these names.
    calls: Arc<[Call]>,
}

impl Compiled {
    /// Compiles a module within the limits of its function.
    pub(super) fn new(rules: Rules, granted: Granted, module: &[u8]) -> Result<Self, Cause> {
        let limited = binary::set_limits(module, rules.limits.memory_bytes).map_err(Cause::Artifact)?;
        let mut isolate = Isolate::new(None, rules.limits, &rules.watchdog);
        let compile = |scope: &mut v8::PinScope<'_, '_>| {
            let module = v8::WasmModuleObject::compile(scope, &limited).ok_or(Failure::Thrown)?;
            Ok((module.get_compiled_module(), imports(scope, module)?))
        };
        let (_, (module, imports)) = isolate.begin(compile).map_err(as_artifact)?;
        let calls = imports.iter().map(|(module, name)| calls::import(module, name));
        let calls = calls.collect::<Result<Vec<_>, _>>()?.into();
        let imports = imports.into_iter().map(|(_, name)| name).collect();
        Ok(Self { rules, granted, module, imports, calls })
    }

    /// Makes an instance, and runs `begin` with its exports.
    pub(super) fn start<T>(
        &self,
        stdout: Stdout,
        laps: &mut Laps,
        begin: impl FnOnce(&mut v8::PinScope<'_, '_>, Exports<'_>) -> Result<T, Failure>,
    ) -> Result<(Sandbox, T), Cause> {
        let limits = self.rules.limits;
        let mut isolate = Isolate::new(None, limits, &self.rules.watchdog);
        laps.mark("isolate");
        let host = Host::new(&self.calls, stdout, &self.granted, laps.begun() + limits.deadline);
        let made = isolate.begin(|scope| {
            scope.set_slot(Rc::clone(&host));
            let (exports, memory) = self.instantiate(scope, &host)?;
            Ok((memory, begin(scope, Exports(exports))?))
        });
        let made = host.settle(made, &limits).map_err(|ended| ended.cause(&host, &limits));
        let (context, (memory, found)) = made?;
        laps.mark("instantiate");
        Ok((Sandbox { host, context, memory, isolate, rules: self.rules.clone() }, found))
    }

    fn instantiate<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        host: &Host,
    ) -> Result<(v8::Local<'s, v8::Value>, v8::Global<v8::WasmMemoryObject>), Failure> {
        let module =
            v8::WasmModuleObject::from_compiled_module(scope, &self.module).ok_or(Failure::Thrown)?;
        let functions = v8::Object::new(scope);
        for (index, name) in self.imports.iter().enumerate() {
            let function = wasi::import(scope, index).ok_or(Failure::Thrown)?;
            set(scope, functions, name, function.into())?;
        }
        let imports = v8::Object::new(scope);
        set(scope, imports, calls::MODULE, functions.into())?;
        let constructor = function(scope, &["WebAssembly", "Instance"])?;
        let instance =
            constructor.new_instance(scope, &[module.into(), imports.into()]).ok_or(Failure::Thrown)?;
        let exports = property(scope, instance.into(), "exports")?;
        let memory: v8::Local<'_, v8::WasmMemoryObject> = Exports(exports)
            .find(scope, "memory")?
            .ok_or_else(|| Cause::Artifact("the module does not export `memory`".into()))?;
        let memory = v8::Global::new(scope, memory);
        host.attach(memory.clone());
        Ok((exports, memory))
    }
}

/// The exports of an instance.
#[derive(Clone, Copy)]
pub(super) struct Exports<'s>(v8::Local<'s, v8::Value>);

impl Exports<'_> {
    /// The export of this name, if there is one of the given type.
    pub(super) fn find<'s, T>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        name: &str,
    ) -> Result<Option<v8::Local<'s, T>>, Failure>
    where
        v8::Local<'s, v8::Value>: TryInto<v8::Local<'s, T>>,
    {
        Ok(property(scope, self.0, name)?.try_into().ok())
    }
}

/// A live instance in an isolate of its own.
pub(super) struct Sandbox {
    pub(super) rules: Rules,
    pub(super) host: Rc<Host>,
    context: v8::Global<v8::Context>,
    memory: v8::Global<v8::WasmMemoryObject>,
    isolate: Isolate,
}

impl Sandbox {
    /// Runs code of the guest until the deadline, which counts from `begun`.
    pub(super) fn run<T>(
        &mut self,
        begun: Instant,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>, &v8::Global<v8::WasmMemoryObject>) -> Result<T, Failure>,
    ) -> Result<T, Ended> {
        let Self { rules, host, context, memory, isolate } = self;
        host.with(|wasi| wasi.set_deadline(begun + rules.limits.deadline));
        let result = isolate.run(context, |scope| body(scope, memory));
        host.settle(result, &rules.limits)
    }

    /// Heap and linear memory.
    pub(super) fn memory(&mut self) -> Memory {
        let linear = self.linear_bytes();
        Memory { model_bytes: linear.map(|linear| linear + self.isolate.used_bytes()) }
    }

    /// The size of the linear memory. `None` if the isolate is stopped.
    pub(super) fn linear_bytes(&mut self) -> Option<u64> {
        let Self { context, memory, isolate, .. } = self;
        let linear = isolate.run(context, |scope| {
            let memory = v8::Local::new(scope, &*memory);
            Ok(linear::bytes(scope, memory).len() as u64)
        });
        linear.ok()
    }
}

/// A module that fails at its first start makes no artifact.
pub(super) fn as_artifact(cause: Cause) -> Cause {
    match cause {
        Cause::Threw(text) | Cause::Trapped(text) | Cause::InvalidResponse(text) => Cause::Artifact(text),
        cause => cause,
    }
}

/// Module and name of everything that the module imports.
fn imports(
    scope: &mut v8::PinScope<'_, '_>,
    module: v8::Local<'_, v8::WasmModuleObject>,
) -> Result<Vec<(String, String)>, Failure> {
    let list = function(scope, &["WebAssembly", "Module", "imports"])?;
    let undefined = v8::undefined(scope).into();
    let list = list.call(scope, undefined, &[module.into()]).ok_or(Failure::Thrown)?;
    let list = v8::Local::<v8::Array>::try_from(list).map_err(|_| Failure::Thrown)?;
    let mut names = Vec::new();
    for index in 0..list.length() {
        let import = list.get_index(scope, index).ok_or(Failure::Thrown)?;
        let mut text = |name| property(scope, import, name).map(|value| value.to_rust_string_lossy(scope));
        names.push((text("module")?, text("name")?));
    }
    Ok(names)
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
