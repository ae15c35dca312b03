//! The memory limit of one isolate.
//!
//! JavaScript allocates in three places: in V8's heap, in the buffers behind typed arrays, which
//! come from an allocator, and in the host, which keeps timers and outbound requests for it. All count against one limit:
//!
//! - The heap has the limit as its own. When V8 is about to exceed it, the isolate is
//!   terminated, and gets a loan, room for the allocation in progress: V8 would otherwise end the
//!   process. It gets one loan only. Built-in functions notice the termination late or never, and
//!   a guest that has used its loan up by then costs its thread ([`hold_thread`]).
//! - The allocator refuses buffers that would exceed the limit by themselves, which throws a
//!   `RangeError`. The host refuses timers in the same way, and outbound requests and pieces of bodies by a
//!   `TypeError`.
//! - The host makes no string for a guest that would exceed the limit ([`has_room`]).
//! - After every full collection the sum is compared with the limit. The sum is exact only
//!   then, so all three together may exceed the limit until the next collection. A turn that took
//!   long is followed by a collection if the sum exceeds the limit ([`check`]).
//!
//! V8 has no hook for three things, so a guest can make the process hold more for a while:
//!
//! - One object among the youngest ones may be as large as an object can be, 1 GiB, whatever the
//!   limit: V8 looks at the limit when it allocates the next one. With its loan, a heap has 2.1 GiB beyond
//!   its limit at most.
//! - Some built-in functions copy a text into memory of their own: `localeCompare`, `toLocaleUpperCase` and the
//!   like, up to three times the limit.
//! - The compiler of regular expressions takes some 220 bytes for each character of a source, and a source
//!   may be as long as any text. Nothing bounds this but a limit of the whole process, such as a
//!   control group. A limit on the source would have to replace `RegExp.prototype.constructor`, and V8 then
//!   takes ten times as long for `split` and `replace`.
//!
//! The memory of a Wasm module is in neither place. Its limit is part of the module (see
//! [`crate::module::binary`]).

use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use super::buffers::Buffers;

/// How far a heap may grow beyond its limit until the termination takes effect: one allocation of the
/// largest string or array, which has 1 GiB (`String::kMaxLength` and `FixedArray::kMaxLength` in V8's
/// sources), and the pages around it.
const LOAN_BYTES: usize = (1 << 30) + (64 << 20);

/// The size from which on [`has_room`] asks V8, which takes some microseconds. The heap's own limit is enough
/// for smaller strings.
const LARGE_BYTES: usize = 1 << 20;

/// The budget of one isolate.
pub(super) struct Budget {
    limit: usize,
    buffers: Arc<Buffers>,
    host: Rc<HostMemory>,
    exhausted: Cell<bool>,
    /// Whether the heap may already grow beyond its limit.
    has_loan: Cell<bool>,
    isolate: v8::IsolateHandle,
}

/// Adds a limit to what an isolate is made with.
pub(super) fn params(limit_bytes: u64, params: v8::CreateParams) -> (v8::CreateParams, Arc<Buffers>) {
    let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    let buffers = Buffers::new(limit);
    (params.heap_limits(0, limit).array_buffer_allocator(buffers.allocator()), buffers)
}

impl Budget {
    /// The budget of an isolate that was made with [`params`].
    pub(super) fn new(isolate: &v8::Isolate, buffers: Arc<Buffers>) -> Self {
        let (limit, exhausted, has_loan) = (buffers.limit(), Cell::new(false), Cell::new(false));
        let host = Rc::new(HostMemory { used: Cell::new(0), limit });
        Self { limit, buffers, host, exhausted, has_loan, isolate: isolate.thread_safe_handle() }
    }

    /// The memory that the host holds for the isolate.
    pub(super) fn host(&self) -> &Rc<HostMemory> {
        &self.host
    }

    /// Has V8 call the budget when the heap is nearly full, and after each full collection, and has the
    /// isolate know its memory.
    ///
    /// # Safety
    /// The budget must not be dropped before the isolate has ended.
    pub(super) unsafe fn install(self: &Rc<Self>, isolate: &mut v8::Isolate) {
        // The address of what an `Rc` holds stays valid when the `Rc` itself moves.
        let data = Rc::as_ptr(self).cast_mut().cast();
        isolate.add_near_heap_limit_callback(near_heap_limit, data);
        isolate.add_gc_epilogue_callback(after_collection, data, v8::GCType::kGCTypeMarkSweepCompact);
        isolate.set_slot(Arc::clone(&self.buffers));
        isolate.set_slot(Rc::clone(&self.host));
    }

    /// Whether the limit was reached: the isolate must not run again.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Before a run: a refusal in an earlier one says nothing about it.
    pub(super) fn forget_denial(&self) {
        self.buffers.set_denied(false);
    }

    /// Whether the allocator refused the last request.
    pub(super) fn was_denied(&self) -> bool {
        self.buffers.was_denied()
    }

    fn exhaust(&self) {
        self.exhausted.set(true);
        self.isolate.terminate_execution();
    }
}

/// V8 calls this on the isolate's thread when a collection has not freed enough.
extern "C" fn near_heap_limit(data: *mut c_void, current: usize, _initial: usize) -> usize {
    // SAFETY: the caller of `install` keeps the budget until the isolate has ended.
    let budget = unsafe { &*data.cast::<Budget>() };
    budget.exhaust();
    if budget.has_loan.replace(true) {
        hold_thread();
    }
    current.saturating_add(LOAN_BYTES)
}

/// A guest that has used up its loan without leaving a built-in function: nothing interrupts it, so its thread
/// goes no further. The front end counts the thread as lost, and has another one in its place.
fn hold_thread() -> ! {
    tracing::error!(
        "a handler exceeds its memory limit by more than {LOAN_BYTES} bytes and cannot be interrupted; its \
         thread is held, with its memory, until the process ends"
    );
    loop {
        thread::park();
    }
}

extern "C" fn after_collection(
    isolate: v8::UnsafeRawIsolatePtr,
    _kind: v8::GCType,
    _flags: v8::GCCallbackFlags,
    data: *mut c_void,
) {
    // SAFETY: the caller of `install` keeps the budget until the isolate has ended.
    let budget = unsafe { &*data.cast::<Budget>() };
    // SAFETY: V8 passes the isolate that has just collected, on its own thread.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    if budget.host.used_bytes(&mut isolate) > budget.limit {
        budget.exhaust();
    }
}

/// Whether a string of this many bytes has room in the heap, after a collection if need be. A refusal counts
/// as one of the allocator.
pub(crate) fn has_room(isolate: &mut v8::Isolate, bytes: usize) -> bool {
    if bytes < LARGE_BYTES {
        return true;
    }
    let Some(host) = isolate.get_slot::<Rc<HostMemory>>().cloned() else { return false };
    let fits = |isolate: &mut v8::Isolate| host.used_bytes(isolate).saturating_add(bytes) <= host.limit;
    let has_room = fits(isolate) || {
        isolate.low_memory_notification();
        fits(isolate)
    };
    if let (false, Some(buffers)) = (has_room, isolate.get_slot::<Arc<Buffers>>()) {
        buffers.set_denied(true);
    }
    has_room
}

/// Collects garbage if all memory together exceeds the limit. If it still does after that, the isolate is
/// exhausted.
pub(crate) fn check(isolate: &mut v8::Isolate) {
    let Some(host) = isolate.get_slot::<Rc<HostMemory>>().cloned() else { return };
    if host.used_bytes(isolate) > host.limit {
        isolate.low_memory_notification();
    }
}

/// Memory that the host holds for one isolate.
pub(crate) struct HostMemory {
    used: Cell<usize>,
    limit: usize,
}

impl HostMemory {
    /// Reserves bytes. Returns false if they would exceed the limit.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        let used = self.used.get().saturating_add(bytes);
        if used > self.limit {
            return false;
        }
        self.used.set(used);
        true
    }

    /// Gives reserved bytes back.
    pub(crate) fn release(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }

    /// Reserves bytes until the result is dropped. `None` if they would exceed the limit.
    pub(crate) fn hold(self: &Rc<Self>, bytes: usize) -> Option<Held> {
        self.reserve(bytes).then(|| Held { bytes, memory: Rc::clone(self) })
    }

    /// Bytes of the isolate: its heap, its buffers and the memory of the host.
    pub(super) fn used_bytes(&self, isolate: &mut v8::Isolate) -> usize {
        let statistics = isolate.get_heap_statistics();
        statistics.used_heap_size() + statistics.external_memory() + self.used.get()
    }
}

/// Memory that the host holds for one isolate until this is dropped.
pub(crate) struct Held {
    bytes: usize,
    memory: Rc<HostMemory>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.release(self.bytes);
    }
}
