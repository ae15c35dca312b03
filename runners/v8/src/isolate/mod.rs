//! One isolate with its budget and its watch, entered only while it runs.
//!
//! V8 keeps a stack of the isolates that a thread has entered. The crate `v8` keeps an isolate
//! entered for its whole life, so isolates would have to end in the reverse order of their
//! creation. Instances end in any order: an [`Isolate`] is left at once, and entered again
//! for every run and for its end.

mod blob;
mod budget;
mod buffers;
mod creator;
pub(crate) mod exception;
mod peak;
mod run;

use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use isolab_core::{Cause, Limits};

pub(crate) use self::blob::{Blob, References};
use self::budget::Budget;
pub(crate) use self::budget::{Held, HostMemory, check, has_room};
pub(crate) use self::buffers::Buffers;
pub(crate) use self::creator::create_blob;
use self::peak::Peak;
pub(crate) use self::run::Failure;
use self::run::{Bounds, watched};
use crate::platform;
use isolab_core::watchdog::{Watch, Watchdog};

/// An isolate that belongs to the thread that made it.
pub(crate) struct Isolate {
    // Fields are dropped in this order. The isolate comes first: until it has ended, V8 calls
    // the budget and the peak, and reads the blob.
    owned: v8::OwnedIsolate,
    budget: Rc<Budget>,
    /// Only after [`Isolate::watch_memory`].
    peak: Option<Rc<Peak>>,
    _blob: Option<Arc<Blob>>,
    watch: Watch,
    limits: Limits,
}

impl Isolate {
    /// Makes an isolate, from a snapshot if there is one.
    pub(crate) fn new(blob: Option<Arc<Blob>>, limits: Limits, watchdog: &Arc<Watchdog>) -> Self {
        platform::ensure();
        let (mut params, buffers) = budget::params(limits.memory_bytes, v8::CreateParams::default());
        if let Some(blob) = &blob {
            // SAFETY: `Isolate` keeps the blob until the isolate has ended.
            params = unsafe { blob.add_to(params) };
        }
        let owned = v8::Isolate::new(params);
        // SAFETY: `new` has just entered it on this thread.
        unsafe { owned.exit() };
        let budget = Rc::new(Budget::new(&owned, buffers));
        let handle = owned.thread_safe_handle();
        let watch = watchdog.watch(limits.deadline, move || {
            handle.terminate_execution();
        });
        let mut isolate = Self { owned, budget, peak: None, _blob: blob, watch, limits };
        let Self { owned, budget, .. } = &mut isolate;
        let mut entered = Entered::new(owned);
        // SAFETY: `Isolate` keeps the budget until the isolate has ended.
        unsafe { budget.install(&mut entered) };
        entered.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        entered.set_allow_atomics_wait(false);
        drop(entered);
        isolate
    }

    /// Runs `body` in a context, under the deadline and the memory limit.
    ///
    /// An isolate that [is stopped](Self::is_stopped) must not run again.
    pub(crate) fn run<T>(
        &mut self,
        context: &v8::Global<v8::Context>,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Cause> {
        self.run_bounded(context, None, body)
    }

    /// As [`Isolate::run`], for `limit` at most.
    pub(crate) fn run_within<T>(
        &mut self,
        context: &v8::Global<v8::Context>,
        limit: Duration,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Cause> {
        self.run_bounded(context, Some(limit), body)
    }

    fn run_bounded<T>(
        &mut self,
        context: &v8::Global<v8::Context>,
        within: Option<Duration>,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Cause> {
        let Self { owned, watch, limits, budget, .. } = self;
        let mut isolate = Entered::new(owned);
        v8::scope!(let scope, &mut *isolate);
        let context = v8::Local::new(scope, context);
        let scope = &mut v8::ContextScope::new(scope, context);
        watched(scope, watch, budget, Bounds { limits: *limits, within }, body)
    }

    /// Runs `body` under the same limits in a context that it makes, and keeps that context.
    pub(crate) fn begin<T>(
        &mut self,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
    ) -> Result<(v8::Global<v8::Context>, T), Cause> {
        let Self { owned, watch, limits, budget, .. } = self;
        let mut isolate = Entered::new(owned);
        v8::scope!(let scope, &mut *isolate);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        refuse_code(context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let result = watched(scope, watch, budget, Bounds { limits: *limits, within: None }, body)?;
        Ok((v8::Global::new(scope, context), result))
    }

    /// Whether the isolate reached a limit: it is terminating, and must not run again.
    pub(crate) fn is_stopped(&self) -> bool {
        self.budget.is_exhausted() || self.watch.has_struck()
    }

    /// Removes a value from the slot of its type.
    pub(crate) fn forget<T: 'static>(&mut self) {
        self.owned.remove_slot::<T>();
    }

    /// The memory limit.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limits.memory_bytes
    }

    /// The memory that the host holds for the isolate.
    pub(crate) fn host_memory(&self) -> &Rc<HostMemory> {
        self.budget.host()
    }

    /// Bytes that the heap, all buffers and the host hold.
    pub(crate) fn used_bytes(&mut self) -> u64 {
        self.budget.host().used_bytes(&mut Entered::new(&mut self.owned)) as u64
    }

    /// Begins a new peak of the bytes that the heap, all buffers and the host hold.
    pub(crate) fn watch_memory(&mut self) {
        let Self { owned, budget, peak, .. } = self;
        match peak {
            Some(peak) => peak.begin(),
            None => {
                // SAFETY: `Isolate` keeps the peak until the isolate has ended.
                *peak = Some(unsafe { Peak::install(&mut Entered::new(owned), budget.host()) });
            }
        }
    }

    /// The most bytes that heap, buffers and host held since [`Isolate::watch_memory`]. `None` without that.
    pub(crate) fn peak_bytes(&mut self) -> Option<u64> {
        let Self { owned, peak, .. } = self;
        peak.as_ref().map(|peak| peak.end(&mut Entered::new(owned)) as u64)
    }
}

/// Has `eval` and `Function` throw an `EvalError`, as on platforms for workers. V8's parser takes up to a
/// hundred bytes of the host's memory for each character of a source, and nothing bounds or ends it.
fn refuse_code(context: v8::Local<'_, v8::Context>) {
    context.set_allow_generation_from_strings(false);
}

impl Drop for Isolate {
    fn drop(&mut self) {
        // SAFETY: an `Isolate` is not `Send`, so this is its own thread; `OwnedIsolate::drop`,
        // which comes next, expects an entered isolate and leaves it.
        unsafe { self.owned.enter() };
    }
}

/// An isolate while it is entered.
struct Entered<'a>(&'a mut v8::OwnedIsolate);

impl<'a> Entered<'a> {
    fn new(isolate: &'a mut v8::OwnedIsolate) -> Self {
        // SAFETY: an isolate is used only on its own thread, and `drop` leaves it again
        // before any other that was entered earlier.
        unsafe { isolate.enter() };
        Self(isolate)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // SAFETY: `new` entered it on this thread.
        unsafe { self.0.exit() };
    }
}

impl Deref for Entered<'_> {
    type Target = v8::OwnedIsolate;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl DerefMut for Entered<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0
    }
}
