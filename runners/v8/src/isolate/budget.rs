//! The memory limit of one isolate.
//!
//! JavaScript allocates in three places: in V8's heap, in the buffers behind typed arrays, which
//! come from an allocator, and in the host, which keeps timers and outbound requests for it. All count against one limit:
//!
//! - The heap has the limit as its own. When V8 is about to exceed it, the isolate is
//!   terminated, and gets room for the allocation in progress: V8 would otherwise end the
//!   process.
//! - The allocator refuses buffers that would exceed the limit by themselves, which throws a
//!   `RangeError`. The host refuses timers in the same way, and outbound requests and pieces of bodies by a
//!   `TypeError`.
//! - After every full collection the sum is compared with the limit. The sum is exact only
//!   then, so all three together may exceed the limit until the next collection.
//!
//! The memory of a Wasm module is in neither place. Its limit is part of the module (see
//! [`crate::module::binary`]).

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// How far a heap may grow beyond its limit until the termination takes effect. One
/// allocation is at most 1 GiB (the largest string or array), and a built-in function may
/// make a few.
const LAST_RESORT_BYTES: usize = 4 << 30;

/// The budget of one isolate.
pub(super) struct Budget {
    limit: usize,
    buffers: Arc<Buffers>,
    host: Rc<HostMemory>,
    exhausted: Cell<bool>,
    isolate: v8::IsolateHandle,
}

/// Adds a limit to what an isolate is made with.
pub(super) fn params(limit_bytes: u64, params: v8::CreateParams) -> (v8::CreateParams, Arc<Buffers>) {
    let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    let buffers = Arc::new(Buffers { used: AtomicUsize::new(0), limit, denied: AtomicBool::new(false) });
    // SAFETY: the allocator owns the reference that `into_raw` leaves behind, and
    // `Buffers::drop` gives it back.
    let allocator = unsafe { v8::new_rust_allocator(Arc::into_raw(buffers.clone()), &Buffers::VTABLE) };
    (params.heap_limits(0, limit).array_buffer_allocator(allocator), buffers)
}

impl Budget {
    /// The budget of an isolate that was made with [`params`].
    pub(super) fn new(isolate: &v8::Isolate, buffers: Arc<Buffers>) -> Self {
        let (limit, exhausted) = (buffers.limit, Cell::new(false));
        let host = Rc::new(HostMemory { used: Cell::new(0), limit });
        Self { limit, buffers, host, exhausted, isolate: isolate.thread_safe_handle() }
    }

    /// The memory of the isolate's buffers.
    pub(super) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// The memory that the host holds for the isolate.
    pub(super) fn host(&self) -> &Rc<HostMemory> {
        &self.host
    }

    /// Has V8 call the budget when the heap is nearly full, and after each full collection.
    ///
    /// # Safety
    /// The budget must not be dropped before the isolate has ended.
    pub(super) unsafe fn install(self: &Rc<Self>, isolate: &mut v8::Isolate) {
        // The address of what an `Rc` holds stays valid when the `Rc` itself moves.
        let data = Rc::as_ptr(self).cast_mut().cast();
        isolate.add_near_heap_limit_callback(near_heap_limit, data);
        isolate.add_gc_epilogue_callback(after_collection, data, v8::GCType::kGCTypeMarkSweepCompact);
    }

    /// Whether the limit was reached: the isolate must not run again.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Before a run: a refusal in an earlier one says nothing about it.
    pub(super) fn forget_denial(&self) {
        self.buffers.denied.store(false, Relaxed);
    }

    /// Whether the allocator refused the last request.
    pub(super) fn was_denied(&self) -> bool {
        self.buffers.denied.load(Relaxed)
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
    current.saturating_add(LAST_RESORT_BYTES)
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

/// The memory of an isolate's buffers. V8 frees buffers on threads of its own.
pub(crate) struct Buffers {
    used: AtomicUsize,
    limit: usize,
    denied: AtomicBool,
}

impl Buffers {
    const VTABLE: v8::RustAllocatorVtable<Self> = v8::RustAllocatorVtable {
        allocate: Self::allocate,
        allocate_uninitialized: Self::allocate_uninitialised,
        free: Self::free,
        drop: Self::drop,
    };

    /// Whether a buffer of this size has room. A refusal counts as one of the allocator.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        let used = self.used.load(Relaxed).checked_add(len);
        let has_room = used.is_some_and(|used| used <= self.limit);
        self.denied.store(!has_room, Relaxed);
        has_room
    }

    /// A buffer for the guest, filled by the host. It counts as one of the allocator. `None` if it would
    /// exceed the limit.
    pub(crate) fn filled(
        self: &Arc<Self>,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Option<v8::UniqueRef<v8::BackingStore>> {
        let data = self.reserve(len, alloc_zeroed);
        if data.is_null() {
            return None;
        }
        // SAFETY: `reserve` has just given that many bytes, all of them zero, and nobody else has them.
        fill(unsafe { std::slice::from_raw_parts_mut(data.cast(), len) });
        let owner = Arc::into_raw(Arc::clone(self)).cast_mut().cast();
        // SAFETY: the bytes live until `give_back`, which V8 calls once, with `owner`.
        Some(unsafe { v8::ArrayBuffer::new_backing_store_from_ptr(data, len, Self::give_back, owner) })
    }

    unsafe extern "C" fn give_back(data: *mut c_void, len: usize, owner: *mut c_void) {
        // SAFETY: `filled` left this reference with the buffer.
        let buffers = unsafe { Arc::from_raw(owner.cast_const().cast::<Self>()) };
        // SAFETY: V8 gives back, once, what `filled` passed to it.
        unsafe { buffers.free(data, len) };
    }

    fn reserve(&self, len: usize, allocate: unsafe fn(Layout) -> *mut u8) -> *mut c_void {
        let room = |used: usize| used.checked_add(len).filter(|used| *used <= self.limit);
        let granted = self.used.fetch_update(Relaxed, Relaxed, room).is_ok();
        self.denied.store(!granted, Relaxed);
        if !granted {
            return std::ptr::null_mut();
        }
        // SAFETY: the layout's size is not 0.
        let data = layout(len).map_or(std::ptr::null_mut(), |layout| unsafe { allocate(layout) });
        if data.is_null() {
            self.used.fetch_sub(len, Relaxed);
        }
        data.cast()
    }

    unsafe extern "C" fn allocate(&self, len: usize) -> *mut c_void {
        self.reserve(len, alloc_zeroed)
    }

    unsafe extern "C" fn allocate_uninitialised(&self, len: usize) -> *mut c_void {
        self.reserve(len, alloc)
    }

    unsafe extern "C" fn free(&self, data: *mut c_void, len: usize) {
        if let (false, Some(layout)) = (data.is_null(), layout(len)) {
            self.used.fetch_sub(len, Relaxed);
            // SAFETY: V8 frees, once, what `reserve` gave for the same length.
            unsafe { dealloc(data.cast(), layout) };
        }
    }

    unsafe extern "C" fn drop(this: *const Self) {
        // SAFETY: `params` left this reference with the allocator.
        drop(unsafe { Arc::from_raw(this) });
    }
}

/// The alignment of `malloc`, on which typed arrays rely. The size is never 0.
fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.max(1), 16).ok()
}
