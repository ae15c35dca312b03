//! The most memory that an isolate held at one time.
//!
//! Between two collections the heap only grows, so its peaks lie right before a collection and
//! at the end. V8 is asked there and nowhere else.

use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;

use super::budget::HostMemory;

/// The peak of one isolate since it was last begun, in bytes.
pub(super) struct Peak {
    bytes: Cell<usize>,
    host: Rc<HostMemory>,
}

impl Peak {
    /// Has V8 call a new peak before each collection.
    ///
    /// # Safety
    /// The peak must not be dropped before the isolate has ended.
    pub(super) unsafe fn install(isolate: &mut v8::Isolate, host: &Rc<HostMemory>) -> Rc<Self> {
        let peak = Rc::new(Self { bytes: Cell::new(0), host: Rc::clone(host) });
        // The address of what an `Rc` holds stays valid when the `Rc` itself moves.
        let data = Rc::as_ptr(&peak).cast_mut().cast();
        isolate.add_gc_prologue_callback(before_collection, data, v8::GCType::kGCTypeAll);
        peak
    }

    /// Forgets the peak so far.
    pub(super) fn begin(&self) {
        self.bytes.set(0);
    }

    /// The peak until now.
    pub(super) fn end(&self, isolate: &mut v8::Isolate) -> usize {
        self.bytes.set(self.bytes.get().max(self.host.used_bytes(isolate)));
        self.bytes.get()
    }
}

extern "C" fn before_collection(
    isolate: v8::UnsafeRawIsolatePtr,
    _kind: v8::GCType,
    _flags: v8::GCCallbackFlags,
    data: *mut c_void,
) {
    // SAFETY: the caller of `install` keeps the peak until the isolate has ended.
    let peak = unsafe { &*data.cast::<Peak>() };
    // SAFETY: V8 passes the isolate that is about to collect, on its own thread.
    peak.end(&mut unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) });
}
