//! A runtime of Wasm3, behind the C interface.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use corosensei::on_stack;
use corosensei::stack::DefaultStack;
use isolab_core::Cause;
use wasm3x_sys as ffi;
use wasm3x_sys::M3ValueType::c_m3Type_i32;

use super::guest::{Guest, answer};
use super::{Module, STACK_BYTES, pauses};
use crate::host::{self, Failure};

/// The stack of the interpreter's C code: 8 MiB, of which it lets calls of the guest use nearly all
/// (`d_m3MaxNativeStack`), and room for what it calls at their end.
const NATIVE_STACK_BYTES: usize = 9 << 20;

thread_local! {
    static NATIVE_STACK: RefCell<Option<DefaultStack>> = const { RefCell::new(None) };
}

/// Runs code of the interpreter on the stack of this thread that is large enough for it.
fn on_native_stack<T>(run: impl FnOnce() -> T) -> Result<T, Cause> {
    NATIVE_STACK.with_borrow_mut(|stack| {
        let stack = match stack {
            Some(stack) => stack,
            None => stack.insert(DefaultStack::new(NATIVE_STACK_BYTES).map_err(|error| {
                Cause::OverCapacity(format!("the host has no memory for the interpreter's stack: {error}"))
            })?),
        };
        Ok(on_stack(stack, run))
    })
}

/// The version of the interpreter.
pub(super) fn version() -> &'static str {
    CStr::from_bytes_with_nul(ffi::M3_VERSION)
        .ok()
        .and_then(|version| version.to_str().ok())
        .unwrap_or_default()
}

/// The memory of a runtime.
///
/// # Safety
/// The runtime has a module with a memory. Until the bytes are dropped, the guest does not run, and nobody else looks
/// at them.
pub(super) unsafe fn memory<'a>(runtime: ffi::IM3Runtime) -> &'a mut [u8] {
    let mut len = 0;
    // SAFETY: the caller answers for the runtime.
    let data = unsafe { ffi::m3_GetMemory(runtime, &raw mut len, 0) };
    if data.is_null() {
        return &mut [];
    }
    // SAFETY: these are the bytes of the memory, and the caller answers for nobody else using them.
    unsafe { std::slice::from_raw_parts_mut(data, len as usize) }
}

/// A function of a runtime, with parameters and results of 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Function {
    raw: ffi::IM3Function,
    has_result: bool,
}

/// A runtime with one module in it.
pub(super) struct Runtime {
    environment: ffi::IM3Environment,
    raw: ffi::IM3Runtime,
    /// The runtime's user data.
    guest: NonNull<Guest>,
    /// The runtime reads its bytes and imports.
    module: Arc<Module>,
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: all three were made in `new`, and nothing else frees them. The runtime ends first.
        unsafe {
            ffi::m3_FreeRuntime(self.raw);
            ffi::m3_FreeEnvironment(self.environment);
            drop(Box::from_raw(self.guest.as_ptr()));
        }
    }
}

impl Runtime {
    /// Loads a module. `translate` has all functions translated now, and not at their first call.
    pub(super) fn new(module: Arc<Module>, guest: Guest, translate: bool) -> Result<Self, Cause> {
        let guest = NonNull::from(Box::leak(Box::new(guest)));
        // SAFETY: a runtime may be made in any environment. `Drop` frees what is not null.
        let runtime = unsafe {
            let environment = ffi::m3_NewEnvironment();
            let raw = ffi::m3_NewRuntime(environment, STACK_BYTES, guest.as_ptr().cast());
            Self { environment, raw, guest, module }
        };
        if runtime.environment.is_null() || runtime.raw.is_null() {
            return Err(Cause::OverCapacity("the host has no memory for an instance".into()));
        }
        on_native_stack(|| runtime.load(translate))??;
        Ok(runtime)
    }

    fn load(&self, translate: bool) -> Result<(), Cause> {
        let Module { wasm, imports } = &*self.module;
        let len = u32::try_from(wasm.len()).map_err(|_| host::refused("it has more than 4 GiB"))?;
        let mut module = ptr::null_mut();
        // SAFETY: the bytes live as long as the runtime.
        check(unsafe { ffi::m3_ParseModule(self.environment, &raw mut module, wasm.as_ptr(), len) })?;
        // SAFETY: the runtime takes the module, unless it refuses it.
        let loaded = check(unsafe { ffi::m3_LoadModule(self.raw, module) });
        if loaded.is_err() {
            // SAFETY: nobody has taken it.
            unsafe { ffi::m3_FreeModule(module) };
            return loaded;
        }
        for import in imports {
            let (name, signature) = (import.name.as_ptr(), import.signature.as_ptr());
            let data: *const c_void = ptr::from_ref(import).cast();
            // SAFETY: the import lives as long as the runtime, and `answer` expects it, and the guest.
            check(unsafe {
                ffi::m3_LinkRawFunctionEx(module, import.module.as_ptr(), name, signature, Some(answer), data)
            })?;
        }
        if translate {
            // SAFETY: the module is loaded.
            check(unsafe { ffi::m3_CompileModule(module) })?;
        }
        Ok(())
    }

    /// The exported function of this name, if it has this many parameters and results, all of 32 bits.
    pub(super) fn find(&self, name: &str, parameters: u32, results: u32) -> Option<Function> {
        let name = CString::new(name).ok()?;
        let find = || {
            let mut raw = ptr::null_mut();
            // SAFETY: the runtime lives, and finding a function may translate it.
            let found = unsafe { ffi::m3_FindFunction(&raw mut raw, self.raw, name.as_ptr()) };
            (found.is_null() && !raw.is_null()).then_some(raw)
        };
        let raw = on_native_stack(find).ok()??;
        // SAFETY: the function lives as long as the runtime, and the numbers are those of its parameters and results.
        let is_meant = unsafe {
            ffi::m3_GetArgCount(raw) == parameters
                && ffi::m3_GetRetCount(raw) == results
                && (0..parameters).all(|index| ffi::m3_GetArgType(raw, index) == c_m3Type_i32)
                && (0..results).all(|index| ffi::m3_GetRetType(raw, index) == c_m3Type_i32)
        };
        is_meant.then_some(Function { raw, has_result: results == 1 })
    }

    /// Calls a function of this runtime with as many parameters as it has. Answers 0 if it has no result.
    pub(super) fn call(&mut self, function: Function, parameters: &[u32]) -> Result<u32, Failure> {
        let mut given: Vec<*const c_void> =
            parameters.iter().map(|parameter| ptr::from_ref(parameter).cast()).collect();
        // SAFETY: `find` has compared the number and the types. `answer` is the only other user of the guest, and runs
        // only within this call.
        let ended = on_native_stack(|| unsafe {
            ffi::m3_Call(function.raw, given.len() as u32, given.as_mut_ptr())
        })?;
        if !ended.is_null() {
            return Err(self.failure(ended));
        }
        let mut result = 0_u32;
        if function.has_result {
            let mut place: [*const c_void; 1] = [(&raw mut result).cast_const().cast()];
            // SAFETY: the function has one result, of 32 bits, and was called last.
            check(unsafe { ffi::m3_GetResults(function.raw, 1, place.as_mut_ptr()) })?;
        }
        Ok(result)
    }

    fn failure(&mut self, ended: ffi::M3Result) -> Failure {
        if let Some(ended) = self.guest_mut().ended.take() {
            return ended.into();
        }
        if pauses::is_late() {
            return Failure::Deadline;
        }
        let text = message(ended);
        Failure::Trap(text.strip_prefix("[trap] ").unwrap_or(&text).to_owned())
    }

    pub(super) fn guest(&self) -> &Guest {
        // SAFETY: it lives as long as the runtime. While somebody borrows the runtime, the guest does not run.
        unsafe { self.guest.as_ref() }
    }

    pub(super) fn guest_mut(&mut self) -> &mut Guest {
        // SAFETY: as in `guest`.
        unsafe { self.guest.as_mut() }
    }

    pub(super) fn memory(&mut self) -> &mut [u8] {
        // SAFETY: a module without a memory is refused, and nobody else uses the runtime.
        unsafe { memory(self.raw) }
    }
}

fn check(result: ffi::M3Result) -> Result<(), Cause> {
    if result.is_null() { Ok(()) } else { Err(host::refused(message(result))) }
}

/// The text of a result that is not null.
fn message(result: ffi::M3Result) -> String {
    // SAFETY: results are texts that never change and are never freed.
    unsafe { CStr::from_ptr(result) }.to_string_lossy().into_owned()
}
