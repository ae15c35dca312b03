//! V8's state for the whole process: flags, platform and signal handler.

use std::sync::Once;

/// Flags for all isolates of the process. A snapshot is only valid under the flags that it was
/// made with.
///
/// `extensible-ro-snapshot` would let each snapshot add to the read-only heap. All isolates
/// share that heap, so a process could not use the snapshots of two functions.
///
/// `turboshaft-loop-unrolling` also removes the interrupt check from loops that are known to
/// be short. If such a loop has no check, as that of an inlined `Array.prototype.fill`, V8
/// 15.0 removes the check of the next loop instead, and that loop can no longer be terminated
/// (`LoopStackCheckElisionReducer` in V8's sources). The hostile function `allocate` has such
/// a loop.
///
/// `concurrent-array-buffer-sweeping` would free dead buffers on another thread some time after a
/// collection. The memory limit, which is compared right after it, would count them as living.
pub(crate) const FLAGS: &str =
    "--no-extensible-ro-snapshot --no-turboshaft-loop-unrolling --no-concurrent-array-buffer-sweeping";

/// Starts V8 unless it has started. Opening the executor does so too.
///
/// V8's handler for `SIGSEGV` turns accesses beyond a Wasm memory into traps. If another
/// engine in the process has such a handler, V8 has to start first: the handler that was
/// installed last runs first, and V8's does not pass other signals on.
pub fn initialise() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        v8::V8::set_flags_from_string(FLAGS);
        v8::V8::enable_web_assembly_trap_handler(true);
        // Unprotected, so that isolates may run on threads that this one did not start.
        let platform = v8::new_unprotected_default_platform(0, false).make_shared();
        v8::V8::initialize_platform(platform);
        v8::V8::initialize();
        keep_read_only_heap();
    });
}

/// Keeps one isolate for ever. V8 frees the read-only heap with the last isolate, and would
/// build it again for the next one.
fn keep_read_only_heap() {
    let isolate = v8::Isolate::new(v8::CreateParams::default());
    // SAFETY: `new` entered it on this thread, and nothing has been entered since.
    unsafe { isolate.exit() };
    std::mem::forget(isolate);
}
