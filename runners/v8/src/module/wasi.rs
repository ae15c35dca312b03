//! The part of WASI preview 1 that a function without files and network needs.
//!
//! Arguments and environment are empty. Clocks and random numbers are the host's. V8 cannot suspend
//! a module, so a sleep holds its thread, at most until the deadline. Standard output is dropped. The
//! end of standard error is kept, because it says why a Rust function panicked. Every other call
//! returns `ENOSYS`.
//!
//! Numbers: <https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md>.

#![allow(clippy::needless_pass_by_value, reason = "V8 defines their form")]

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use isolab_core::wasi::calls::POLL;
use isolab_core::wasi::{End, Errno, Poll, Refusal};
use rand::RngCore as _;

use super::linear::Linear;

/// The module name of these imports.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// How much of standard error is kept, in bytes.
const TAIL_BYTES: usize = 4096;
/// The most vectors in one write; Linux has the same limit (`IOV_MAX`).
const MAX_VECTORS: u32 = 1024;

/// The state of an instance; kept in a slot of the isolate.
pub(crate) struct Wasi {
    memory: Option<v8::Global<v8::WasmMemoryObject>>,
    stderr: VecDeque<u8>,
    exit: Option<u32>,
    begun: Instant,
    deadline: Instant,
    /// Whether it slept until its deadline.
    is_late: bool,
}

impl Wasi {
    /// The state of an instance that does not exist yet, and whose start may take as long.
    pub(crate) fn new(deadline: Duration) -> Self {
        let (stderr, begun) = (VecDeque::new(), Instant::now());
        Self { memory: None, stderr, exit: None, begun, deadline: begun + deadline, is_late: false }
    }

    /// Sets when a sleep ends at the latest.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Whether the module slept until its deadline, and was stopped.
    pub(crate) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Lets calls reach the instance's memory.
    pub(crate) fn attach(&mut self, memory: v8::Global<v8::WasmMemoryObject>) {
        self.memory = Some(memory);
    }

    /// The end of standard error.
    pub(crate) fn stderr(&self) -> String {
        let (front, back) = self.stderr.as_slices();
        String::from_utf8_lossy(&[front, back].concat()).trim().to_owned()
    }

    /// The code with which the module exited.
    pub(crate) fn exit_code(&self) -> Option<u32> {
        self.exit
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.stderr.extend(bytes);
        self.stderr.drain(..self.stderr.len().saturating_sub(TAIL_BYTES));
    }
}

type Scope<'a, 's, 'i> = &'a mut v8::PinScope<'s, 'i>;
type Call = fn(Scope<'_, '_, '_>, &[u32; 4]) -> Result<(), Errno>;

/// The calls that are implemented. 64-bit arguments are read as 0; none of these calls uses
/// one.
const CALLS: &[(&str, Call)] = &[
    ("args_get", |_, _| Ok(())),
    ("args_sizes_get", no_strings),
    ("clock_res_get", clock_resolution),
    ("clock_time_get", clock_time),
    ("environ_get", |_, _| Ok(())),
    ("environ_sizes_get", no_strings),
    ("fd_close", |_, _| Err(Errno::Badf)),
    ("fd_fdstat_get", file_status),
    ("fd_prestat_get", |_, _| Err(Errno::Badf)),
    ("fd_read", end_of_file),
    ("fd_seek", |_, _| Err(Errno::Spipe)),
    ("fd_write", write),
    (POLL, poll),
    ("proc_exit", exit),
    ("random_get", random),
    ("sched_yield", |_, _| Ok(())),
];

/// The import with this name, as a function of the scope's context. `None` if
/// JavaScript threw.
pub(crate) fn import<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
) -> Option<v8::Local<'s, v8::Function>> {
    let index = CALLS.iter().position(|(known, _)| *known == name).unwrap_or(CALLS.len());
    let index = v8::Integer::new_from_unsigned(scope, index as u32);
    v8::Function::builder(call).data(index.into()).build(scope)
}

fn call(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let index = args.data().uint32_value(scope).unwrap_or(u32::MAX);
    let numbers = [0, 1, 2, 3].map(|index| match args.get(index) {
        value if value.is_number() => value.uint32_value(scope).unwrap_or(0),
        _ => 0,
    });
    let errno = match CALLS.get(index as usize) {
        Some((_, call)) => call(scope, &numbers).err().unwrap_or(Errno::Success),
        None => Errno::Nosys,
    };
    result.set_uint32(errno as u32);
}

/// Runs `body` with the instance's memory. `Fault` if there is no memory yet, or if `body`
/// finds an address beyond it.
fn with_memory<T>(
    scope: Scope<'_, '_, '_>,
    body: impl FnOnce(&mut Linear<'_>) -> Option<T>,
) -> Result<T, Errno> {
    let memory = scope.get_slot::<Wasi>().and_then(|wasi| wasi.memory.clone()).ok_or(Errno::Fault)?;
    let memory = v8::Local::new(scope, memory);
    body(&mut Linear::new(scope, memory)).ok_or(Errno::Fault)
}

fn put(scope: Scope<'_, '_, '_>, at: u32, bytes: &[u8]) -> Result<(), Errno> {
    with_memory(scope, |memory| memory.put(at, bytes))
}

fn no_strings(scope: Scope<'_, '_, '_>, &[count, bytes, ..]: &[u32; 4]) -> Result<(), Errno> {
    put(scope, count, &[0; 4])?;
    put(scope, bytes, &[0; 4])
}

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

fn clock_resolution(scope: Scope<'_, '_, '_>, &[clock, at, ..]: &[u32; 4]) -> Result<(), Errno> {
    match clock {
        REALTIME | MONOTONIC => put(scope, at, &1u64.to_le_bytes()),
        _ => Err(Errno::Inval),
    }
}

fn clock_time(scope: Scope<'_, '_, '_>, &[clock, _precision, at, _]: &[u32; 4]) -> Result<(), Errno> {
    let time = match clock {
        REALTIME => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        MONOTONIC => scope.get_slot::<Wasi>().map_or(Duration::ZERO, |wasi| wasi.begun.elapsed()),
        _ => return Err(Errno::Inval),
    };
    put(scope, at, &(time.as_nanos() as u64).to_le_bytes())
}

/// The three standard files are character devices without rights.
fn file_status(scope: Scope<'_, '_, '_>, &[file, at, ..]: &[u32; 4]) -> Result<(), Errno> {
    const CHARACTER_DEVICE: u8 = 2;
    let mut status = [0; 24];
    status[0] = CHARACTER_DEVICE;
    if file <= 2 { put(scope, at, &status) } else { Err(Errno::Badf) }
}

fn end_of_file(scope: Scope<'_, '_, '_>, &[file, _, _, read]: &[u32; 4]) -> Result<(), Errno> {
    if file == 0 { put(scope, read, &[0; 4]) } else { Err(Errno::Badf) }
}

fn write(scope: Scope<'_, '_, '_>, &[file, vectors, count, written]: &[u32; 4]) -> Result<(), Errno> {
    if file != 1 && file != 2 {
        return Err(Errno::Badf);
    }
    if count > MAX_VECTORS {
        return Err(Errno::Inval);
    }
    let tail = with_memory(scope, |memory| {
        let (mut total, mut tail) = (0u32, Vec::new());
        for index in 0..count {
            let vector = vectors.checked_add(index.checked_mul(8)?)?;
            let bytes = memory.get(memory.u32(vector)?, memory.u32(vector.checked_add(4)?)?)?;
            total = total.checked_add(bytes.len() as u32)?;
            if file == 2 {
                tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
            }
        }
        memory.put(written, &total.to_le_bytes())?;
        Some(tail)
    })?;
    if let Some(wasi) = scope.get_slot_mut::<Wasi>() {
        wasi.keep(&tail);
    }
    Ok(())
}

fn poll(scope: Scope<'_, '_, '_>, parameters: &[u32; 4]) -> Result<(), Errno> {
    let deadline = scope.get_slot::<Wasi>().map_or_else(Instant::now, |wasi| wasi.deadline);
    let begun = with_memory(scope, |memory| Some(Poll::begin(&memory.as_wasi(), *parameters, deadline)))?;
    let finished = begun.and_then(|poll| {
        if !poll.wait().is_zero() {
            thread::sleep(poll.wait());
        }
        with_memory(scope, |memory| Some(poll.finish(&mut memory.as_wasi())))?
    });
    match finished {
        Ok(()) => Ok(()),
        Err(Refusal::Errno(errno)) => Err(errno),
        Err(Refusal::End(end)) => {
            if let Some(wasi) = scope.get_slot_mut::<Wasi>() {
                wasi.is_late = end == End::Deadline;
            }
            scope.terminate_execution();
            Ok(())
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "all calls have the same form")]
fn exit(scope: Scope<'_, '_, '_>, &[code, ..]: &[u32; 4]) -> Result<(), Errno> {
    if let Some(wasi) = scope.get_slot_mut::<Wasi>() {
        wasi.exit = Some(code);
    }
    scope.terminate_execution();
    Ok(())
}

fn random(scope: Scope<'_, '_, '_>, &[at, len, ..]: &[u32; 4]) -> Result<(), Errno> {
    with_memory(scope, |memory| {
        rand::rng().fill_bytes(memory.get_mut(at, len)?);
        Some(())
    })
}
