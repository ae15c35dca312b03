//! V8's state for the whole process: flags, platform and signal handler.

use std::fmt;
use std::sync::OnceLock;

use isolab_core::Spec;

/// Flags for all isolates of every process. A snapshot is only valid under the flags that it was
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
const FLAGS: &str =
    "--no-extensible-ro-snapshot --no-turboshaft-loop-unrolling --no-concurrent-array-buffer-sweeping";

/// The same without machine code: V8 then has no memory that is executable, and no Wasm.
const FLAGS_WITHOUT_JIT: &str = "--no-extensible-ro-snapshot --no-turboshaft-loop-unrolling \
                                 --no-concurrent-array-buffer-sweeping --jitless";

/// The machine code of all isolates of the process.
static STARTED: OnceLock<Jit> = OnceLock::new();

/// Whether V8 compiles to machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jit {
    /// Code that runs often is compiled.
    On,
    /// All code is interpreted, that of regular expressions included.
    Off,
}

impl Jit {
    /// The choice of a resolved spec.
    pub(crate) fn of(spec: &Spec) -> Self {
        if spec.get("jit") == "off" { Self::Off } else { Self::On }
    }

    fn flags(self) -> &'static str {
        match self {
            Self::On => FLAGS,
            Self::Off => FLAGS_WITHOUT_JIT,
        }
    }
}

impl fmt::Display for Jit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "jit=on",
            Self::Off => "jit=off",
        })
    }
}

/// V8 has started with other flags. They hold for the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started(pub(crate) Jit);

/// The flags of this process. Starts V8 with the default ones unless it has started.
pub(crate) fn flags() -> &'static str {
    ensure().flags()
}

/// Starts V8 for a resolved spec, unless it has started. Opening the executor does so too.
///
/// V8's handler for `SIGSEGV` turns accesses beyond a Wasm memory into traps. If another
/// engine in the process has such a handler, V8 has to start first: the handler that was
/// installed last runs first, and V8's does not pass other signals on.
///
/// V8's flags hold for the whole process. An executor whose spec needs other flags than the first one
/// cannot be opened after it.
pub fn initialise(spec: &Spec) {
    start(Jit::of(spec));
}

/// Starts V8 with the default flags unless it has started. Returns whether it compiles.
pub(crate) fn ensure() -> Jit {
    start(Jit::On)
}

/// Starts V8 unless it has started.
///
/// # Errors
/// If it has started with other flags.
pub(crate) fn start_with(jit: Jit) -> Result<(), Started> {
    let started = start(jit);
    if started == jit { Ok(()) } else { Err(Started(started)) }
}

fn start(jit: Jit) -> Jit {
    *STARTED.get_or_init(|| {
        v8::V8::set_flags_from_string(jit.flags());
        if jit == Jit::On {
            v8::V8::enable_web_assembly_trap_handler(true);
        }
        // Unprotected, so that isolates may run on threads that this one did not start.
        let platform = v8::new_unprotected_default_platform(0, false).make_shared();
        v8::V8::initialize_platform(platform);
        v8::V8::initialize();
        keep_read_only_heap();
        jit
    })
}

/// Keeps one isolate for ever. V8 frees the read-only heap with the last isolate, and would
/// build it again for the next one. A start takes a quarter less time so, and a stop half as much, for 1.2 MiB of the
/// process.
fn keep_read_only_heap() {
    let isolate = v8::Isolate::new(v8::CreateParams::default());
    // SAFETY: `new` entered it on this thread, and nothing has been entered since.
    unsafe { isolate.exit() };
    std::mem::forget(isolate);
}
