//! The variant `js`: a handler module in an isolate.

pub(crate) mod boot;
pub(crate) mod natives;
pub(crate) mod reply;
pub(crate) mod snapshot;

use std::sync::Arc;

use async_trait::async_trait;
use deno_core::v8;
use http::HeaderMap;
use isolab_core::cache::digest;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Limits, Memory, Phase, Prepared, Request, Response,
};

use crate::executor::Label;
use crate::handler::boot;
use crate::handler::natives;
use crate::handler::reply;
use crate::handler::snapshot::{self, Blob};
use crate::isolate::exception;
use crate::isolate::watchdog::Watchdog;
use crate::isolate::{Failure, Isolate};

/// How an instance gets its evaluated handler.
pub(crate) enum Origin {
    /// From a snapshot in which it is.
    Snapshot(Arc<Blob>),
    /// By evaluating its source.
    Source(String),
}

/// A handler that is ready to be started.
pub(crate) struct PreparedHandler {
    pub(crate) label: Label,
    pub(crate) origin: Origin,
    pub(crate) limits: Limits,
    pub(crate) dog: Arc<Watchdog>,
    pub(crate) artifact: Artifact,
}

impl PreparedHandler {
    /// A handler whose source every instance evaluates for itself.
    pub(crate) fn from_source(label: Label, source: String, limits: Limits, dog: &Arc<Watchdog>) -> Self {
        let source_digest = digest([source.as_bytes()]);
        let artifact = Artifact { kind: "source", source_digest, bytes: source.len() as u64, cached: false };
        Self { label, origin: Origin::Source(source), limits, dog: dog.clone(), artifact }
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedHandler {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let instance =
            HandlerInstance::start(self, laps).map_err(|cause| self.label.error(Phase::Start, cause))?;
        Ok(Box::new(instance))
    }
}

/// Starts a handler once, to see that it can be.
pub(crate) fn try_start(prepared: &PreparedHandler) -> Result<(), Cause> {
    HandlerInstance::start(prepared, &mut Laps::begin()).map(|_| ()).map_err(snapshot::as_artifact)
}

/// An isolate with a handler in it.
struct HandlerInstance {
    label: Label,
    response_bytes: u64,
    context: v8::Global<v8::Context>,
    dispatch: v8::Global<v8::Function>,
    handler: v8::Global<v8::Value>,
    isolate: Isolate,
}

impl HandlerInstance {
    fn start(prepared: &PreparedHandler, laps: &mut Laps) -> Result<Self, Cause> {
        let blob = match &prepared.origin {
            Origin::Snapshot(blob) => Some(blob.clone()),
            Origin::Source(_) => None,
        };
        let mut isolate = Isolate::new(blob, prepared.limits, &prepared.dog);
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
        let (label, response_bytes) = (prepared.label.clone(), prepared.limits.response_bytes);
        Ok(Self { label, response_bytes, context, dispatch, handler, isolate })
    }

    fn invoke(&mut self, request: &Request, laps: &mut Laps) -> Result<Response, Cause> {
        let Self { context, dispatch, handler, isolate, response_bytes, .. } = self;
        isolate.run(context, |scope| {
            let arguments = arguments(scope, handler, request).ok_or(Failure::Thrown)?;
            let dispatch = v8::Local::new(scope, &*dispatch);
            let undefined = v8::undefined(scope).into();
            let answer = dispatch.call(scope, undefined, &arguments).ok_or(Failure::Thrown)?;
            scope.perform_microtask_checkpoint();
            let answer = settled(scope, answer)?;
            laps.mark("handler");
            reply::read(scope, answer, *response_bytes)
        })
    }
}

#[async_trait(?Send)]
impl Instance for HandlerInstance {
    async fn invoke(&mut self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        HandlerInstance::invoke(self, &request, laps).map_err(|cause| self.label.error(Phase::Invoke, cause))
    }

    fn memory(&mut self) -> Memory {
        Memory { model_bytes: Some(self.isolate.used_bytes()) }
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// The arguments of `dispatch`: handler, method, URL, headers and body. `None` if a
/// text is longer than a string can be.
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

/// Names and values, one after the other.
fn headers<'s>(scope: &v8::PinScope<'s, '_>, headers: &HeaderMap) -> Option<v8::Local<'s, v8::Array>> {
    let mut elements: Vec<v8::Local<'_, v8::Value>> = Vec::with_capacity(2 * headers.len());
    for (name, value) in headers {
        elements.push(internalised(scope, name.as_str())?.into());
        let value = v8::String::new_from_one_byte(scope, value.as_bytes(), v8::NewStringType::Normal)?;
        elements.push(value.into());
    }
    Some(v8::Array::new_with_elements(scope, &elements))
}

/// An ASCII string that is likely to be compared with literals of the handler.
fn internalised<'s>(scope: &v8::PinScope<'s, '_>, text: &str) -> Option<v8::Local<'s, v8::String>> {
    v8::String::new_from_one_byte(scope, text.as_bytes(), v8::NewStringType::Internalized)
}

/// What a promise was fulfilled with; any other value itself.
fn settled<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    let Ok(promise) = v8::Local::<v8::Promise>::try_from(value) else {
        return Ok(value);
    };
    match promise.state() {
        v8::PromiseState::Fulfilled => Ok(promise.result(scope)),
        // Nothing is left that could settle it: there are no timers and no I/O.
        v8::PromiseState::Pending => Err(Cause::Trapped("the handler's promise never settles".into()).into()),
        v8::PromiseState::Rejected => {
            let reason = promise.result(scope);
            Err(Failure::Rejected(exception::describe(scope, reason)))
        }
    }
}
