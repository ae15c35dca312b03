//! One heap for both languages: Rust allocates from the heap of QuickJS, so that a fresh
//! instance uses the pages of one heap instead of two.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;

/// The alignment of every pointer from `malloc` on this target.
const MALLOC_ALIGN: usize = 16;

// From the C library that comes with `rquickjs-sys`.
unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(start: *mut c_void, size: usize) -> *mut c_void;
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(start: *mut c_void);
}

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

// SAFETY: C's allocator keeps the contract: its blocks are disjoint and stay until
// they are freed, `aligned_alloc` is used wherever `malloc` would not align enough,
// and blocks of both may be given to `free`.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size();
        // SAFETY: any size may be asked for, and C rounds no alignment of Rust's.
        let start = unsafe {
            if layout.align() <= MALLOC_ALIGN { malloc(size) } else { aligned_alloc(layout.align(), size) }
        };
        start.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            // SAFETY: any size may be asked for.
            return unsafe { calloc(1, layout.size()) }.cast();
        }
        // SAFETY: the caller's contract for this layout.
        let start = unsafe { self.alloc(layout) };
        if !start.is_null() {
            // SAFETY: the block was just allocated with this size.
            unsafe { start.write_bytes(0, layout.size()) };
        }
        start
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGN {
            // SAFETY: the caller says that the block is from this allocator and live.
            return unsafe { realloc(start.cast(), new_size) }.cast();
        }
        // SAFETY: the caller has checked that the new size fits this alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: both blocks are live and as long as the part that is copied.
        unsafe {
            let new_start = self.alloc(new_layout);
            if !new_start.is_null() {
                new_start.copy_from_nonoverlapping(start, layout.size().min(new_size));
                self.dealloc(start, layout);
            }
            new_start
        }
    }

    unsafe fn dealloc(&self, start: *mut u8, _layout: Layout) {
        // SAFETY: the caller says that the block is from this allocator and live.
        unsafe { free(start.cast()) }
    }
}
