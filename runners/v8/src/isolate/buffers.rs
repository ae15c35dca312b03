//! The memory behind typed arrays, which V8 takes from the host.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The memory of an isolate's buffers. V8 frees buffers on threads of its own.
pub(crate) struct Buffers {
    used: AtomicUsize,
    limit: usize,
    denied: AtomicBool,
}

impl Buffers {
    /// Buffers of `limit` bytes together at most.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit, denied: AtomicBool::new(false) })
    }

    /// The allocator for V8.
    pub(super) fn allocator(self: &Arc<Self>) -> v8::UniqueRef<v8::Allocator> {
        // SAFETY: the allocator owns the reference that `into_raw` leaves behind, and
        // `Buffers::drop` gives it back.
        unsafe { v8::new_rust_allocator(Arc::into_raw(Arc::clone(self)), &Self::VTABLE) }
    }

    /// The bytes that all of them may have together.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Notes that memory was refused, or forgets it.
    pub(super) fn set_denied(&self, denied: bool) {
        self.denied.store(denied, Relaxed);
    }

    /// Whether the last request was refused.
    pub(super) fn was_denied(&self) -> bool {
        self.denied.load(Relaxed)
    }

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
        // SAFETY: `allocator` left this reference with the allocator.
        drop(unsafe { Arc::from_raw(this) });
    }
}

/// The alignment of `malloc`, on which typed arrays rely. The size is never 0.
fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.max(1), 16).ok()
}
