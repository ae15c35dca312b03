//! One run of guest code, and why it failed.

use std::time::Duration;

use isolab_core::{Cause, Limits};

use super::budget::Budget;
use super::exception;
use isolab_core::watchdog::Watch;

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

/// The limits of one run.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// The limits of the function.
    pub(super) limits: Limits,
    /// How long the run may take, if that is less than the function's deadline.
    pub(super) within: Option<Duration>,
}

/// Runs `body` in the scope's context while the watch is armed, and finds out why it
/// failed.
pub(super) fn watched<T>(
    scope: &mut v8::PinScope<'_, '_>,
    watch: &Watch,
    budget: &Budget,
    Bounds { limits, within }: Bounds,
    body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> Result<T, Failure>,
) -> Result<T, Cause> {
    v8::tc_scope!(let scope, scope);
    budget.forget_denial();
    match within {
        Some(limit) => watch.arm_within(limit),
        None => watch.arm(),
    }
    let result = body(scope).map_err(|failure| {
        let cause = match failure {
            Failure::Cause(cause) => cause,
            _ if budget.was_denied() => Cause::OutOfMemory(limits.memory_bytes),
            Failure::Rejected(reason) => Cause::Threw(reason),
            // The watch is still armed: describing an exception may run code of the function.
            Failure::Thrown => Cause::Threw(exception::caught(scope)),
        };
        // Jobs that the failed code has left must not run in the next request's time.
        if !scope.has_terminated() {
            scope.perform_microtask_checkpoint();
        }
        cause
    });
    // A limit may be reached too late to stop this run. It leaves the isolate terminating all
    // the same, so its answer does not count.
    let overdue = watch.disarm();
    if budget.is_exhausted() {
        Err(Cause::OutOfMemory(limits.memory_bytes))
    } else if overdue {
        Err(Cause::DeadlineExceeded(limits.deadline))
    } else {
        result
    }
}
