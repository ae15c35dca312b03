//! The executor `wasm3`: an interpreter in C.
//!
//! Wasm3 has no vector instructions, so it runs modules without them, as `wasm:simd=off` does. The JavaScript engine's
//! module has them, so handlers are refused.
//!
//! A start parses the module, and the first call of a function translates it for the interpreter: Wasm3 cannot share
//! either between instances. `prepare` translates all functions once, to find errors.
//!
//! A deadline takes effect at a call or at the next round of a loop ([`pauses`] adds calls to loops, which costs a loop
//! some nanoseconds for each round).
//!
//! The interpreter's C code calls itself for calls of the guest, and stops a guest that nests them too deep for a stack
//! of 8 MiB. Threads have less, so it runs on a stack of its own: one for each thread, which takes memory only where
//! it was used.

mod guest;
mod native;
mod pauses;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use isolab_core::guest::{Form, Simd, Stack};
use isolab_core::wasi::Granted;
use isolab_core::{Cause, Environment, Executor, Limits, Setting, Spec, Variant, binary, wire};
use wasmparser::{Parser, Payload, TypeRef, Validator};

use self::guest::{Guest, Import};
use self::native::{Function, Runtime};
use crate::engine::{Engine, Sandbox};
use crate::executor::EngineExecutor;
use crate::host::{self, Failure, Host};

/// The executor's name in specs.
pub const NAME: &str = "wasm3";

/// The executor's settings.
pub const SETTINGS: &[Setting] = &[isolab_core::guest::STACK];

/// The most bytes of the interpreter's stack for values, as in the executor `wasmi`.
const STACK_BYTES: u32 = 1 << 20;

/// Opens the executor.
///
/// # Panics
/// When used, if `spec` was not resolved against [`SETTINGS`].
pub fn open(spec: Spec, environment: &Environment) -> Arc<dyn Executor> {
    Arc::new(EngineExecutor::new(spec, environment, Wasm3))
}

/// The engine. It keeps nothing: each instance has an environment of its own.
#[derive(Clone, Copy)]
pub(crate) struct Wasm3;

/// A module with pauses, and the functions that it imports.
pub(crate) struct Module {
    wasm: Vec<u8>,
    imports: Vec<Import>,
}

/// Fails if a module that somebody else has compiled has instructions that Wasm3 does not know. Other faults are found in
/// `prepare`.
fn check_module(source: &Path) -> Result<(), String> {
    let Ok(wasm) = std::fs::read(source) else { return Ok(()) };
    if binary::needs_vectors(&wasm) {
        return Err("this module has vector instructions, which Wasm3 does not know".into());
    }
    Ok(())
}

impl Engine for Wasm3 {
    type Module = Arc<Module>;
    type Sandbox = Instance;

    const KIND: &'static str = "module with pauses";

    fn version(&self) -> (&'static str, &'static str) {
        (NAME, native::version())
    }

    fn form(&self, spec: &Spec) -> Form {
        Form { stack: Stack::of(spec), simd: Simd::Off }
    }

    fn supports(&self, variant: Variant, source: &Path) -> Result<(), String> {
        match variant {
            Variant::Module => check_module(source),
            Variant::Js => {
                Err("the JavaScript engine's module has vector instructions, which Wasm3 does not know"
                    .into())
            }
            Variant::Rust | Variant::Command => Ok(()),
        }
    }

    fn compile(&self, wasm: &[u8]) -> Result<Arc<Module>, Cause> {
        // Wasm3 checks modules itself. A second opinion keeps an error of it from becoming one of the host.
        Validator::new_with_features(binary::WITHOUT_VECTORS).validate_all(wasm).map_err(host::refused)?;
        let imports = imports(wasm)?;
        let wasm = pauses::add(wasm).map_err(host::refused)?;
        let module = Arc::new(Module { wasm, imports });
        Instance::new(&module, &Granted::default(), true)?;
        Ok(module)
    }

    fn start(&self, module: &Arc<Module>, _limits: Limits, granted: &Granted) -> Result<Instance, Cause> {
        Instance::new(module, granted, false)
    }
}

/// The functions of WASI that a module imports.
fn imports(wasm: &[u8]) -> Result<Vec<Import>, Cause> {
    let (mut types, mut imports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(host::refused)? {
            Payload::TypeSection(section) => {
                types =
                    section.into_iter_err_on_gc_types().collect::<Result<_, _>>().map_err(host::refused)?;
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(host::refused)?;
                    let kind = match import.ty {
                        TypeRef::Func(kind) => types.get(kind as usize),
                        _ => None,
                    };
                    let kind = kind.ok_or_else(|| {
                        host::refused(format!("`{}` is imported and not a function", import.name))
                    })?;
                    imports.push(Import::new(import.module, import.name, kind)?);
                }
            }
            Payload::StartSection { .. } => {
                return Err(host::refused(
                    "it has a start section, which may run before the deadline is set",
                ));
            }
            _ => {}
        }
    }
    Ok(imports)
}

/// An instance in a runtime of its own.
pub(crate) struct Instance {
    request: Function,
    handle: Function,
    initialize: [Option<Function>; 2],
    runtime: Runtime,
}

impl Instance {
    fn new(module: &Arc<Module>, granted: &Granted, translate: bool) -> Result<Self, Cause> {
        let runtime = Runtime::new(Arc::clone(module), Guest::new(Host::new(granted)), translate)?;
        let find =
            |name: &str, parameters| runtime.find(name, parameters, 1).ok_or_else(|| host::missing(name));
        Ok(Self {
            request: find(wire::REQUEST, 1)?,
            handle: find(wire::HANDLE, 0)?,
            initialize: wire::INITIALIZERS.map(|name| runtime.find(name, 0, 0)),
            runtime,
        })
    }

    fn call(&mut self, function: Function, parameters: &[u32]) -> Result<u32, Failure> {
        self.runtime.call(function, parameters)
    }
}

impl Sandbox for Instance {
    fn begin(&mut self, deadline: Instant) {
        self.runtime.guest_mut().host.wasi.set_deadline(deadline);
        pauses::begin(deadline);
    }

    fn end(&mut self) -> bool {
        pauses::end()
    }

    fn initialize(&mut self) -> Result<(), Failure> {
        for initialize in self.initialize.into_iter().flatten() {
            self.call(initialize, &[])?;
        }
        Ok(())
    }

    fn request(&mut self, len: u32) -> Result<u32, Failure> {
        self.call(self.request, &[len])
    }

    fn handle(&mut self) -> Result<u32, Failure> {
        self.call(self.handle, &[])
    }

    fn memory(&mut self) -> &mut [u8] {
        self.runtime.memory()
    }

    fn host(&self) -> &Host {
        &self.runtime.guest().host
    }
}
