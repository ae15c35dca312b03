//! Gives the functions of WASI ([`isolab_core::wasi`]) to a module in V8.
//!
//! V8 cannot suspend a module, so a sleep holds its thread, at most until the deadline.

#![allow(clippy::needless_pass_by_value, reason = "V8 defines their form")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use isolab_core::wasi::calls::{Call, PARAMETERS};
use isolab_core::wasi::{End, Errno, Granted, Memory, Refusal, Stdout, Wasi};
use isolab_core::{Cause, Limits};

use super::linear;

/// The state of one instance. A slot of the isolate has it, too, for the functions of WASI.
pub(super) struct Host {
    wasi: RefCell<Wasi>,
    /// The functions that the module imports, in the order of its imports.
    calls: Arc<[Call]>,
    /// Once the instance is made.
    memory: RefCell<Option<v8::Global<v8::WasmMemoryObject>>>,
    /// Why a call ended the guest, if one did.
    end: Cell<Option<End>>,
}

impl Host {
    /// The state of an instance that does not exist yet.
    pub(super) fn new(calls: &Arc<[Call]>, stdout: Stdout, granted: &Granted, deadline: Instant) -> Rc<Self> {
        let mut wasi = Wasi::new(stdout, deadline);
        granted.give(&mut wasi);
        let (wasi, memory, end) = (RefCell::new(wasi), RefCell::new(None), Cell::new(None));
        Rc::new(Self { wasi, calls: Arc::clone(calls), memory, end })
    }

    /// Lets calls reach the instance's memory.
    pub(super) fn attach(&self, memory: v8::Global<v8::WasmMemoryObject>) {
        *self.memory.borrow_mut() = Some(memory);
    }

    /// Changes the state of WASI. No code of the guest runs meanwhile.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Wasi) -> T) -> T {
        change(&mut self.wasi.borrow_mut())
    }

    /// The result of a run, if a call has not ended the guest. V8 stops a guest only at its next loop or
    /// call, which may not come.
    ///
    /// A limit that the isolate has reached comes first.
    pub(super) fn settle<T>(&self, result: Result<T, Cause>, limits: &Limits) -> Result<T, Ended> {
        let end = self.end.take();
        match (result, end) {
            (Ok(_) | Err(Cause::Threw(_)), Some(End::Exit(0))) => Err(Ended::WithSuccess),
            (Ok(_) | Err(Cause::Threw(_)), Some(end)) => {
                Err(Ended::Cause(self.wasi.borrow().cause_of_end(end, limits)))
            }
            // A trap of Wasm is an exception in V8.
            (Err(Cause::Threw(reason)), None) => {
                Err(Ended::Cause(self.wasi.borrow().cause_of_trap(reason, limits)))
            }
            (Err(cause), _) => Err(Ended::Cause(cause)),
            (Ok(value), None) => Ok(value),
        }
    }

    /// Calls a function that the module imports. Returns the number for the guest.
    fn call(self: Rc<Self>, scope: &mut v8::PinScope<'_, '_>, index: u32, values: &[u64]) -> Errno {
        let Some(call) = self.calls.get(index as usize) else { return Errno::Nosys };
        // The guest may have some steps left.
        let end = self.end.take();
        if end.is_some() {
            self.end.set(end);
            return Errno::Nosys;
        }
        let memory = self.memory.borrow().as_ref().map(|memory| v8::Local::new(scope, memory));
        let bytes = match memory {
            Some(memory) => linear::bytes(scope, memory),
            None => &mut [],
        };
        match call(&mut self.wasi.borrow_mut(), &mut Memory(bytes), values) {
            Ok(()) => Errno::Success,
            Err(Refusal::Errno(errno)) => errno,
            Err(Refusal::End(end)) => {
                self.end.set(Some(end));
                scope.terminate_execution();
                Errno::Nosys
            }
        }
    }
}

/// Why a run gave nothing.
pub(super) enum Ended {
    /// The guest exited with code 0.
    WithSuccess,
    /// Anything else.
    Cause(Cause),
}

impl Ended {
    /// The cause for a guest that must not end itself.
    pub(super) fn cause(self, host: &Host, limits: &Limits) -> Cause {
        match self {
            Self::WithSuccess => host.wasi.borrow().cause_of_end(End::Exit(0), limits),
            Self::Cause(cause) => cause,
        }
    }
}

/// The import at this index, as a function of the scope's context. `None` if JavaScript threw.
pub(super) fn import<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    index: usize,
) -> Option<v8::Local<'s, v8::Function>> {
    let index = v8::Integer::new_from_unsigned(scope, index as u32);
    v8::Function::builder(call).data(index.into()).build(scope)
}

fn call(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let index = args.data().uint32_value(scope).unwrap_or(u32::MAX);
    let mut values = [0; PARAMETERS];
    for (index, value) in (0..args.length()).zip(&mut values) {
        *value = bits(scope, args.get(index));
    }
    let host = scope.get_slot::<Rc<Host>>().cloned();
    let errno = host.map_or(Errno::Nosys, |host| host.call(scope, index, &values));
    result.set_uint32(errno as u32);
}

/// An integer with zeros before it: 32 bits arrive as a number, and 64 bits as a `BigInt`. WASI has no
/// other parameters.
fn bits(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> u64 {
    match v8::Local::<v8::BigInt>::try_from(value) {
        Ok(integer) => integer.u64_value().0,
        Err(_) if value.is_number() => value.uint32_value(scope).unwrap_or(0).into(),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use isolab_core::watchdog::Watchdog;

    use super::*;
    use crate::isolate::{Failure, Isolate};

    #[test]
    fn integers_of_both_sizes_keep_their_bits() {
        let limits = Limits { deadline: Duration::from_mins(1), ..Limits::default() };
        let mut isolate = Isolate::new(None, limits, &Watchdog::start().unwrap());
        let read = |source: &'static str| {
            move |scope: &mut v8::PinScope<'_, '_>| {
                let source = v8::String::new(scope, source).ok_or(Failure::Thrown)?;
                let script = v8::Script::compile(scope, source, None).ok_or(Failure::Thrown)?;
                let value = script.run(scope).ok_or(Failure::Thrown)?;
                Ok(bits(scope, value))
            }
        };
        for (source, expected) in [
            ("7", 7),
            ("-1", 0xffff_ffff),
            ("-1n", u64::MAX),
            ("2n ** 63n", 1 << 63),
            ("0x1_2345_6789n", 0x1_2345_6789),
            ("'7'", 0),
            ("undefined", 0),
        ] {
            assert_eq!(isolate.begin(read(source)).unwrap().1, expected, "{source}");
        }
    }
}
