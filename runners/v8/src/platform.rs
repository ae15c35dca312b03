//! What V8 keeps once a process: its flags, its platform, its signal handler.

use std::sync::Once;

use deno_core::v8;

/// Flags that every isolate of the process shares; a snapshot is only good under
/// the flags it was made with.
///
/// `extensible-ro-snapshot` would let each snapshot add to the read-only heap. That
/// heap is one for all isolates, so snapshots of two functions could not live side by
/// side.
///
/// `turboshaft-loop-unrolling` also takes the interrupt check out of loops that are known
/// to be short. V8 15.0 takes out the next loop's instead where the short one has none,
/// such as that of an inlined `Array.prototype.fill`, and the outer loop can then no
/// longer be terminated (`LoopStackCheckElisionReducer` in V8's sources). The hostile
/// function `allocate` has such a loop.
pub(crate) const FLAGS: &str = "--no-extensible-ro-snapshot --no-turboshaft-loop-unrolling";

/// Starts V8 unless it runs already; opening the executor does so too.
///
/// V8's handler for `SIGSEGV` turns accesses beyond a Wasm memory into traps. Where
/// another engine with such a handler serves in the same process, V8 has to be first:
/// the later handler is asked first, and V8's passes nothing on.
pub fn initialise() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        v8::V8::set_flags_from_string(FLAGS);
        v8::V8::enable_web_assembly_trap_handler(true);
        // Unprotected: the workers' threads need not descend from the one that calls this.
        let platform = v8::new_unprotected_default_platform(0, false).make_shared();
        v8::V8::initialize_platform(platform);
        v8::V8::initialize();
        keep_read_only_heap();
    });
}

/// The read-only heap goes with the last isolate, and the next one would build it
/// anew: so one isolate stays for good.
fn keep_read_only_heap() {
    let isolate = v8::Isolate::new(v8::CreateParams::default());
    // SAFETY: `new` entered it on this thread, and nothing has been entered since.
    unsafe { isolate.exit() };
    std::mem::forget(isolate);
}
