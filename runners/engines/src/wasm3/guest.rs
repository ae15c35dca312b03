//! The host's side of a guest: its state, and the functions that it imports.

use std::ffi::{CStr, CString, c_void};
use std::ptr;

use isolab_core::Cause;
use isolab_core::wasi::calls::{self, Call, PARAMETERS};
use wasm3x_sys as ffi;
use wasmparser::{FuncType, ValType};

use crate::host::{self, Ended, Host};

/// The message with which the interpreter ends at the end of a guest by WASI.
const ENDED: &CStr = c"ended by WASI";

/// The state of one guest.
pub(super) struct Guest {
    pub(super) host: Host,
    /// Why a function of WASI has ended the guest.
    pub(super) ended: Option<Ended>,
}

impl Guest {
    pub(super) fn new(host: Host) -> Self {
        Self { host, ended: None }
    }
}

/// A function of WASI as a module imports it.
pub(super) struct Import {
    pub(super) module: CString,
    pub(super) name: CString,
    /// The type in Wasm3's letters.
    pub(super) signature: CString,
    function: Call,
    /// Whether each parameter has 64 bits.
    is_long: Vec<bool>,
    has_result: bool,
}

impl Import {
    pub(super) fn new(module: &str, name: &str, kind: &FuncType) -> Result<Self, Cause> {
        let function = calls::import(module, name)?;
        let letters = kind.params().iter().map(|kind| match kind {
            ValType::I32 => Some('i'),
            ValType::I64 => Some('I'),
            _ => None,
        });
        let letters: Option<String> = letters.collect();
        let has_result = kind.results() == [ValType::I32];
        let letters = letters
            .filter(|letters| letters.len() <= PARAMETERS && (has_result || kind.results().is_empty()))
            .ok_or_else(|| host::refused(format!("`{name}` is imported with another type than WASI's")))?;
        let text = |text: &str| {
            CString::new(text).map_err(|_| host::refused("the name of an import has a byte of zero"))
        };
        Ok(Self {
            module: text(module)?,
            name: text(name)?,
            signature: text(&format!("{}({letters})", if has_result { 'i' } else { 'v' }))?,
            function,
            is_long: kind.params().iter().map(|kind| *kind == ValType::I64).collect(),
            has_result,
        })
    }
}

/// Answers a call of an imported function.
///
/// # Safety
/// Wasm3 calls it: the runtime's user data is the [`Guest`], the context's the [`Import`], and `stack` has a place for
/// the result, if there is one, and one for each parameter. Nobody else uses the guest or the memory meanwhile.
pub(super) unsafe extern "C" fn answer(
    runtime: ffi::IM3Runtime,
    context: ffi::IM3ImportContext,
    stack: *mut u64,
    _memory: *mut c_void,
) -> *const c_void {
    // SAFETY: see above.
    let (guest, import) = unsafe {
        (
            &mut *ffi::m3_GetUserData(runtime).cast::<Guest>(),
            &*(*context).userdata.cast_const().cast::<Import>(),
        )
    };
    let mut values = [0; PARAMETERS];
    for (index, (value, is_long)) in values.iter_mut().zip(&import.is_long).enumerate() {
        // SAFETY: the parameters follow the place of the result.
        let given = unsafe { *stack.add(usize::from(import.has_result) + index) };
        *value = if *is_long { given } else { given & u64::from(u32::MAX) };
    }
    // SAFETY: the guest does not run while its host does.
    let memory = unsafe { super::native::memory(runtime) };
    match guest.host.call(import.function, memory, &values) {
        Ok(answer) if import.has_result => {
            // SAFETY: the first place is that of the result.
            unsafe { *stack = u64::from(answer.cast_unsigned()) };
            ptr::null()
        }
        Ok(_) => ptr::null(),
        Err(ended) => {
            guest.ended = Some(ended);
            ENDED.as_ptr().cast()
        }
    }
}
