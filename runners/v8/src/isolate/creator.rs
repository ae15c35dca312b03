//! Isolates that end as a snapshot.

use std::rc::Rc;
use std::sync::Arc;

use isolab_core::{Cause, Limits};

use super::budget::{self, Budget};
use super::run::{Bounds, Failure, watched};
use super::{Blob, References, refuse_code};
use crate::platform;
use isolab_core::watchdog::Watchdog;

/// Runs `body` in the only context of a new isolate, under `limits`, and takes a snapshot of
/// what it leaves behind.
pub(crate) fn create_blob(
    references: References,
    limits: Limits,
    watchdog: &Arc<Watchdog>,
    body: impl FnOnce(&mut v8::PinScope<'_, '_>, v8::Local<'_, v8::Context>) -> Result<(), Failure>,
) -> Result<Blob, Cause> {
    let mut creator = Creator::new(references, limits);
    creator.run(limits, watchdog, body)?;
    let bytes = creator.end().ok_or_else(|| Cause::Internal("V8 made no snapshot".into()))?;
    Ok(Blob::new(bytes.to_vec(), references))
}

/// An isolate that ends as a snapshot: V8 has no other end for it, whatever happened.
struct Creator {
    // `drop` ends the isolate before the fields are dropped: until then, V8 calls the budget.
    isolate: Option<v8::OwnedIsolate>,
    budget: Rc<Budget>,
}

impl Creator {
    fn new(references: References, limits: Limits) -> Self {
        platform::ensure();
        let (params, buffers) = budget::params(limits.memory_bytes, v8::CreateParams::default());
        let isolate = v8::Isolate::snapshot_creator(Some(references()), Some(params));
        let budget = Rc::new(Budget::new(&isolate, buffers));
        let mut creator = Self { isolate: Some(isolate), budget };
        if let Self { isolate: Some(isolate), budget } = &mut creator {
            // SAFETY: `Creator` keeps the budget until the isolate has ended.
            unsafe { budget.install(isolate) };
            isolate.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        }
        creator
    }

    fn run(
        &mut self,
        limits: Limits,
        watchdog: &Arc<Watchdog>,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>, v8::Local<'_, v8::Context>) -> Result<(), Failure>,
    ) -> Result<(), Cause> {
        let Self { isolate, budget } = self;
        let isolate = isolate.as_mut().expect("only `end` takes the isolate");
        let handle = isolate.thread_safe_handle();
        let watch = watchdog.watch(limits.deadline, move || {
            handle.terminate_execution();
        });
        v8::scope!(let scope, isolate);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        refuse_code(context);
        scope.set_default_context(context);
        let scope = &mut v8::ContextScope::new(scope, context);
        watched(scope, &watch, budget, Bounds { limits, within: None }, |scope| body(scope, context))
    }

    fn end(&mut self) -> Option<v8::StartupData> {
        let isolate = self.isolate.take()?;
        // After a failed run the isolate is terminating, and V8 could not finish the snapshot.
        isolate.cancel_terminate_execution();
        isolate.create_blob(v8::FunctionCodeHandling::Keep)
    }
}

impl Drop for Creator {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::isolate::Isolate;

    fn no_references() -> Cow<'static, [v8::ExternalReference]> {
        Cow::Borrowed(&[])
    }

    fn evaluate(scope: &mut v8::PinScope<'_, '_>, source: &str) -> Result<u32, Failure> {
        let source = v8::String::new(scope, source).ok_or(Failure::Thrown)?;
        let script = v8::Script::compile(scope, source, None).ok_or(Failure::Thrown)?;
        script.run(scope).and_then(|value| value.uint32_value(scope)).ok_or(Failure::Thrown)
    }

    /// Leaves garbage, so that the isolate's end has something to collect.
    fn litter(scope: &mut v8::PinScope<'_, '_>) -> Result<(), Failure> {
        evaluate(scope, "globalThis.kept = [1]; [...Array(9999).keys()].map(String).length").map(|_| ())
    }

    #[test]
    fn a_panic_while_a_snapshot_is_made_ends_the_isolate_before_its_budget() {
        let (watchdog, limits) = (Watchdog::start().unwrap(), Limits::default());
        for _ in 0..3 {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                create_blob(no_references, limits, &watchdog, |scope, _| {
                    litter(scope)?;
                    panic!("while the snapshot is made");
                })
            }));
            assert!(panicked.is_err());
        }
        let blob = create_blob(no_references, limits, &watchdog, |scope, _| litter(scope)).unwrap();
        let mut isolate = Isolate::new(Some(Arc::new(blob)), limits, &watchdog);
        assert_eq!(isolate.begin(|scope| evaluate(scope, "kept.length")).unwrap().1, 1);
    }

    #[test]
    fn a_panic_in_a_run_ends_the_isolate_before_its_budget() {
        let (watchdog, limits) = (Watchdog::start().unwrap(), Limits::default());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut isolate = Isolate::new(None, limits, &watchdog);
            let _ = isolate.begin(|scope| -> Result<(), Failure> {
                litter(scope)?;
                panic!("in a run");
            });
        }));
        assert!(panicked.is_err());
        assert!(Isolate::new(None, limits, &watchdog).begin(litter).is_ok());
    }
}
