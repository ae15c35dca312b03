//! One isolate with its budget and its watch, entered only while it runs.
//!
//! V8 keeps a stack of the isolates that a thread has entered. The crate `v8` enters an
//! isolate for its whole life, which makes isolates end in the reverse order of their
//! beginning. Instances end in any order, so an [`Isolate`] is left at once, and
//! entered anew for every run and for its end.

pub(crate) mod budget;
pub(crate) mod exception;
pub(crate) mod watchdog;

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use deno_core::v8;
use isolab_core::{Cause, Limits};

use crate::handler::snapshot::{self, Blob};
use crate::isolate::budget::{self, Budget};
use crate::isolate::exception;
use crate::isolate::watchdog::{Watch, Watchdog};
use crate::platform;

/// An isolate that belongs to the thread that made it.
pub(crate) struct Isolate {
    owned: ManuallyDrop<v8::OwnedIsolate>,
    watch: Watch,
    limits: Limits,
    // Both are used by the isolate until it has ended.
    budget: Box<Budget>,
    _blob: Option<Arc<Blob>>,
}

/// Why a run gave nothing.
pub(crate) enum Failure {
    /// JavaScript threw, and V8 holds the exception.
    Thrown,
    /// A promise was rejected; the text of its reason.
    Rejected(String),
    /// Anything else.
    Cause(Cause),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl Isolate {
    /// Makes an isolate, from a snapshot if there is one.
    pub(crate) fn new(blob: Option<Arc<Blob>>, limits: Limits, dog: &Arc<Watchdog>) -> Self {
        platform::initialise();
        let (mut params, buffers) = Budget::params(limits.memory_bytes, snapshot::params());
        if let Some(blob) = &blob {
            params = params.snapshot_blob(blob.startup_data());
        }
        let mut isolate = v8::Isolate::new(params);
        let budget = Budget::install(&mut isolate, buffers);
        isolate.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        isolate.set_allow_atomics_wait(false);
        let watch = dog.watch(isolate.thread_safe_handle(), limits.deadline);
        // SAFETY: `new` has just entered it on this thread.
        unsafe { isolate.exit() };
        Self { owned: ManuallyDrop::new(isolate), watch, limits, budget, _blob: blob }
    }

    /// Runs `body` in a context, under the deadline and the memory limit.
    ///
    /// After an error the isolate may be terminating, and must not run again.
    pub(crate) fn run<T>(
        &mut self,
        context: &v8::Global<v8::Context>,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Cause> {
        let Self { owned, watch, limits, budget, .. } = self;
        let mut isolate = Entered::new(owned);
        v8::scope!(let scope, &mut *isolate);
        let context = v8::Local::new(scope, context);
        let scope = &mut v8::ContextScope::new(scope, context);
        watched(scope, watch, budget, *limits, body)
    }

    /// Runs `body`, which makes a context of its own, under the same limits.
    pub(crate) fn begin<T>(
        &mut self,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
    ) -> Result<(v8::Global<v8::Context>, T), Cause> {
        let Self { owned, watch, limits, budget, .. } = self;
        let mut isolate = Entered::new(owned);
        v8::scope!(let scope, &mut *isolate);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let result = watched(scope, watch, budget, *limits, body)?;
        Ok((v8::Global::new(scope, context), result))
    }

    /// What [`v8::Isolate::set_slot`] has kept with the isolate for its callbacks.
    pub(crate) fn slot<T: 'static>(&self) -> Option<&T> {
        self.owned.get_slot()
    }

    /// Bytes that the heap and all buffers hold.
    pub(crate) fn used_bytes(&mut self) -> u64 {
        budget::used_bytes(&mut Entered::new(&mut self.owned)) as u64
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        // SAFETY: it is left again by `OwnedIsolate::drop`, on this same thread, because
        // an `Isolate` is not `Send`; and it is dropped only here.
        unsafe {
            self.owned.enter();
            ManuallyDrop::drop(&mut self.owned);
        }
    }
}

/// Runs `body` in the scope's context while the watch is armed, and finds out why it
/// failed.
pub(crate) fn watched<T>(
    scope: &mut v8::PinScope<'_, '_>,
    watch: &Watch,
    budget: &Budget,
    limits: Limits,
    body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
) -> Result<T, Cause> {
    v8::tc_scope!(let scope, scope);
    watch.arm();
    let result = body(scope).map_err(|failure| match failure {
        Failure::Cause(cause) => cause,
        _ if budget.was_denied() => Cause::OutOfMemory(limits.memory_bytes),
        Failure::Rejected(reason) => Cause::Trapped(reason),
        // Still armed: to describe an exception may run code of the function.
        Failure::Thrown => Cause::Trapped(exception::caught(scope)),
    });
    // Either may have come too late to stop the run; the isolate is terminating all the same.
    let overdue = watch.disarm();
    if budget.is_exhausted() {
        Err(Cause::OutOfMemory(limits.memory_bytes))
    } else if overdue {
        Err(Cause::DeadlineExceeded(limits.deadline))
    } else {
        result
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
