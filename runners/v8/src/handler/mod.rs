//! The variant `js`: a handler module in an isolate.

mod boot;
mod natives;
pub(crate) mod portable;
mod reply;
pub(crate) mod snapshot;

use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use isolab_core::cache::digest;
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Memory, Phase, Prepared, Request, Response};

use crate::isolate::{Blob, Failure, Isolate, exception};
use crate::rules::Rules;

/// Where an instance gets its evaluated handler from.
pub(crate) enum Origin {
    /// A snapshot.
    Snapshot(Arc<Blob>),
    /// The source, which the instance evaluates.
    Source(String),
}

/// A handler that is ready to be started.
pub(crate) struct PreparedHandler {
    pub(crate) rules: Rules,
    pub(crate) origin: Origin,
    pub(crate) artifact: Artifact,
}

impl PreparedHandler {
    /// A handler whose source every instance evaluates.
    pub(crate) fn from_source(rules: Rules, source: String) -> Self {
        let source_digest = digest([source.as_bytes()]);
        let artifact = Artifact { kind: "source", source_digest, bytes: source.len() as u64, cached: false };
        Self { rules, origin: Origin::Source(source), artifact }
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedHandler {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let instance =
            HandlerInstance::start(self, laps).map_err(|cause| self.rules.error(Phase::Start, cause))?;
        Ok(Box::new(instance))
    }
}

/// Starts a handler once, to find errors during `prepare`.
pub(crate) fn try_start(prepared: &PreparedHandler) -> Result<(), Cause> {
    HandlerInstance::start(prepared, &mut Laps::begin()).map(|_| ()).map_err(snapshot::as_artifact)
}

/// An isolate with a handler in it.
struct HandlerInstance {
    rules: Rules,
    context: v8::Global<v8::Context>,
    dispatch: v8::Global<v8::Function>,
    handler: v8::Global<v8::Value>,
    isolate: RefCell<Isolate>,
}

impl HandlerInstance {
    fn start(prepared: &PreparedHandler, laps: &mut Laps) -> Result<Self, Cause> {
        let blob = match &prepared.origin {
            Origin::Snapshot(blob) => Some(blob.clone()),
            Origin::Source(_) => None,
        };
        let mut isolate = Isolate::new(blob, prepared.rules.limits, &prepared.rules.watchdog);
        laps.mark("isolate");
        let (context, (dispatch, handler)) = isolate.begin(|scope| {
            boot::remove_late_globals(scope)?;
            let booted = match &prepared.origin {
                Origin::Snapshot(_) => snapshot::restore(scope),
                Origin::Source(source) => boot::boot(scope, source),
            }?;
            Ok((v8::Global::new(scope, booted.dispatch), v8::Global::new(scope, booted.handler)))
        })?;
        laps.mark("context");
        let isolate = RefCell::new(isolate);
        Ok(Self { rules: prepared.rules.clone(), context, dispatch, handler, isolate })
    }

    fn invoke(&self, request: &Request, laps: &mut Laps) -> Result<Response, Cause> {
        let Self { rules, context, dispatch, handler, isolate } = self;
        isolate.borrow_mut().run(context, |scope| {
            let arguments = arguments(scope, handler, request).ok_or(Failure::Thrown)?;
            let dispatch = v8::Local::new(scope, &*dispatch);
            let undefined = v8::undefined(scope).into();
            let answer = dispatch.call(scope, undefined, &arguments).ok_or(Failure::Thrown)?;
            scope.perform_microtask_checkpoint();
            let answer = settled(scope, answer)?;
            laps.mark("handler");
            reply::read(scope, answer, rules.limits.response_bytes)
        })
    }
}

#[async_trait(?Send)]
impl Instance for HandlerInstance {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        HandlerInstance::invoke(self, &request, laps).map_err(|cause| self.rules.error(Phase::Invoke, cause))
    }

    fn memory(&self) -> Memory {
        Memory { model_bytes: Some(self.isolate.borrow_mut().used_bytes()) }
    }

    fn watch_memory(&self) {
        self.isolate.borrow_mut().watch_memory();
    }

    /// Heap and buffers, dead objects included that no collection has freed yet.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        self.isolate.borrow_mut().peak_bytes().ok_or("the isolate's memory was not watched")
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// The arguments of `dispatch`: handler, method, URL, headers and body. `None` if a text is
/// longer than V8 allows.
fn arguments<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    handler: &v8::Global<v8::Value>,
    request: &Request,
) -> Option<[v8::Local<'s, v8::Value>; 5]> {
    let body = if request.body.is_empty() {
        v8::null(scope).into()
    } else {
        natives::byte_array(scope, request.body.to_vec())?.into()
    };
    Some([
        v8::Local::new(scope, handler),
        internalised(scope, request.method.as_str())?.into(),
        v8::String::new(scope, &request.url())?.into(),
        headers(scope, &request.headers)?.into(),
        body,
    ])
}

/// The names and values of headers, alternating.
fn headers<'s>(scope: &v8::PinScope<'s, '_>, headers: &HeaderMap) -> Option<v8::Local<'s, v8::Array>> {
    let mut elements: Vec<v8::Local<'_, v8::Value>> = Vec::with_capacity(2 * headers.len());
    for (name, value) in headers {
        elements.push(internalised(scope, name.as_str())?.into());
        let value = v8::String::new_from_one_byte(scope, value.as_bytes(), v8::NewStringType::Normal)?;
        elements.push(value.into());
    }
    Some(v8::Array::new_with_elements(scope, &elements))
}

/// An ASCII string that the handler is likely to compare with its literals.
fn internalised<'s>(scope: &v8::PinScope<'s, '_>, text: &str) -> Option<v8::Local<'s, v8::String>> {
    v8::String::new_from_one_byte(scope, text.as_bytes(), v8::NewStringType::Internalized)
}

/// The value of a fulfilled promise; any other value unchanged.
fn settled<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    let Ok(promise) = v8::Local::<v8::Promise>::try_from(value) else {
        return Ok(value);
    };
    match promise.state() {
        v8::PromiseState::Fulfilled => Ok(promise.result(scope)),
        // Nothing can settle it any more: handlers have neither timers nor I/O.
        v8::PromiseState::Pending => Err(Cause::Threw("the handler's promise never settles".into()).into()),
        v8::PromiseState::Rejected => {
            let reason = promise.result(scope);
            Err(Failure::Rejected(exception::describe(scope, reason)))
        }
    }
}
