//! The variant `js`: a handler module in an isolate.

mod arguments;
mod boot;
mod code;
mod delivery;
mod event_loop;
mod home;
mod natives;
pub(crate) mod portable;
mod powers;
mod reply;
pub(crate) mod snapshot;
mod tasks;
mod timers;
mod turn;

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::cache::digest;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Memory, Phase, Prepared, Request, Response, Streams,
};

pub(crate) use self::boot::Source;
use self::code::Code;
pub(crate) use self::code::CodeCache;
use self::event_loop::EventLoop;
pub(crate) use self::home::Boundary;
use self::home::{Home, Residence};
pub(crate) use self::powers::Powers;
use self::turn::First;
use crate::isolate::Blob;
use crate::rules::Rules;

/// Where an instance gets its evaluated handler from.
pub(crate) enum Origin {
    /// A snapshot.
    Snapshot(Arc<Blob>),
    /// The source, which the instance evaluates. It need not compile it if there is code.
    Source(Source, Option<CodeCache>),
}

/// A handler that is ready to be started.
pub(crate) struct PreparedHandler {
    pub(crate) rules: Rules,
    pub(crate) origin: Origin,
    pub(crate) artifact: Artifact,
    /// How many requests one isolate may have in flight.
    pub(crate) concurrency: usize,
    /// The grants of each instance.
    pub(crate) powers: Powers,
    /// Whether bodies can be streams.
    pub(crate) streams: bool,
    /// The line between its instances.
    pub(crate) boundary: Boundary,
}

impl PreparedHandler {
    /// A handler whose source every instance evaluates.
    pub(crate) fn from_source(
        rules: Rules,
        source: Source,
        concurrency: usize,
        powers: Powers,
        boundary: Boundary,
    ) -> Self {
        let (source_digest, bytes) = (digest([source.text.as_bytes()]), source.text.len() as u64);
        let artifact = Artifact { kind: "source", source_digest, bytes, cached: false };
        let streams = source.streams;
        Self { rules, origin: Origin::Source(source, None), artifact, concurrency, powers, streams, boundary }
    }

    /// The same with the source's compiled code, and whether that was found in a cache.
    pub(crate) fn with_code(mut self, (code, cached): (CodeCache, bool)) -> Self {
        let bytes = self.artifact.bytes + code.len();
        self.artifact = Artifact { kind: "source and code", bytes, cached, ..self.artifact };
        if let Origin::Source(_, place) = &mut self.origin {
            *place = Some(code);
        }
        self
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedHandler {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn max_concurrency(&self) -> usize {
        self.concurrency
    }

    fn ends_alone(&self) -> bool {
        !self.boundary.is_context()
    }

    fn streams(&self) -> bool {
        self.streams
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let instance = HandlerInstance::start(self, Home::of(self), laps);
        Ok(Box::new(instance.map_err(|cause| self.rules.error(Phase::Start, cause))?))
    }
}

/// Starts a handler once, to find errors during `prepare`.
pub(crate) fn try_start(prepared: &PreparedHandler) -> Result<(), Cause> {
    // Threads that only prepare share no isolate.
    let started = HandlerInstance::start(prepared, Home::alone(prepared), &mut Laps::begin());
    started.map(|_| ()).map_err(snapshot::as_artifact)
}

/// A handler in a context of its isolate.
struct HandlerInstance {
    rules: Rules,
    context: v8::Global<v8::Context>,
    dispatch: v8::Global<v8::Function>,
    handler: v8::Global<v8::Value>,
    /// The granted environment variables; none if none are granted.
    env: Option<v8::Global<v8::Object>>,
    /// The function that hears of settled promises, once a request has waited.
    listener: OnceCell<v8::Global<v8::Function>>,
    /// The isolate has it in a slot, too, for the functions of the host.
    event_loop: Rc<EventLoop>,
    // The last field: its isolate may end with it, and the other fields refer to the isolate.
    home: Residence,
}

impl HandlerInstance {
    fn start(prepared: &PreparedHandler, home: Rc<Home>, laps: &mut Laps) -> Result<Self, Cause> {
        laps.mark("isolate");
        let event_loop = EventLoop::new(home.isolate().host_memory(), &prepared.powers.outbound);
        let event_loop = Rc::new(if home.is_shared() { event_loop.beside_others() } else { event_loop });
        let home = Residence::new(home, &event_loop);
        let begun = home.isolate().begin(|scope| {
            event_loop.enter_start(scope);
            boot::remove_late_globals(scope)?;
            let booted = match &prepared.origin {
                Origin::Snapshot(_) => snapshot::restore(scope),
                Origin::Source(source, code) => {
                    let mut code = code.as_ref().map_or(Code::Compiled, CodeCache::code);
                    boot::limit(scope, &mut code).and_then(|()| boot::boot(scope, source, &mut code))
                }
            }?;
            let env = prepared.powers.env(scope)?;
            Ok((v8::Global::new(scope, booted.dispatch), v8::Global::new(scope, booted.handler), env))
        });
        home.note(&begun);
        let (context, (dispatch, handler, env)) = begun?;
        laps.mark("context");
        let (rules, listener) = (prepared.rules.clone(), OnceCell::new());
        Ok(Self { rules, context, dispatch, handler, env, listener, event_loop, home })
    }

    /// A failed request. A response that is refused leaves the isolate as it is.
    fn error(&self, cause: Cause) -> Error {
        let is_refused = matches!(cause, Cause::ResponseTooLarge(_) | Cause::InvalidResponse(_));
        let error = self.rules.error(Phase::Invoke, cause);
        let is_spared = is_refused || error.spares_instance;
        error.sparing(is_spared)
    }
}

#[async_trait(?Send)]
impl Instance for HandlerInstance {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let waiting = match turn::first(self, &request, None, laps) {
            Ok(First::Answered(response)) => return Ok(response),
            Ok(First::Waiting(waiting)) => waiting,
            Err(cause) => return Err(self.error(cause)),
        };
        drop(request);
        // Boxed, so that the future of a quick request stays small.
        let answer = Box::pin(waiting.answer(laps)).await?;
        answer.ok_or_else(|| self.error(Cause::Internal("an answer without an outlet is lost".into())))
    }

    async fn stream(
        &self,
        request: Request,
        streams: Streams,
        laps: &mut Laps,
    ) -> Result<Option<Response>, Error> {
        let waiting = match turn::first(self, &request, Some(streams), laps) {
            Ok(First::Answered(response)) => return Ok(Some(response)),
            Ok(First::Waiting(waiting)) => waiting,
            Err(cause) => return Err(self.error(cause)),
        };
        drop(request);
        Box::pin(waiting.answer(laps)).await
    }

    /// Unknown if the isolate has other instances, too: V8 does not tell their objects apart.
    fn memory(&self) -> Memory {
        let used = (!self.home.is_shared()).then(|| self.home.isolate().used_bytes());
        Memory { model_bytes: used }
    }

    fn watch_memory(&self) {
        if !self.home.is_shared() {
            self.home.isolate().watch_memory();
        }
    }

    /// Heap, buffers and timers, dead objects included that no collection has freed yet.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        if self.home.is_shared() {
            return Err("the isolate has other instances, too");
        }
        self.home.isolate().peak_bytes().ok_or("the isolate's memory was not watched")
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}
