//! An engine with a handler.

use std::borrow::Cow;
use std::fmt;

use isolab_sdk::{Request, Response};
use isolab_webapi::SCRIPTS;
use rquickjs::context::EvalOptions;
use rquickjs::function::This;
use rquickjs::{
    Array, Context, Ctx, Error, Exception, Function, IntoJs, Module, Object, Persistent, Result, Runtime,
    TypedArray, Value,
};

use crate::Platform;
use crate::host::{self, Uncaught};
use crate::random::Random;
use crate::timers::Timers;

/// How deep JavaScript may nest, in bytes of C's stack. Deeper calls throw a `RangeError`.
///
/// In Wasm, C's stack has 1 MiB of the linear memory (`build.toml`). But most of a frame is on
/// Wasmtime's own stack of 512 KiB, which must not run out first: 192 KiB here would be too
/// much, as the tests `javascript` of `isolab-wasm` show.
const STACK_BYTES: usize = 128 << 10;

/// How many bytes a handler may allocate before the first collection. `QuickJS` would collect
/// after 256 KiB in total, during the first request of every instance.
const GARBAGE_BYTES: usize = 1 << 20;

/// Why a handler failed, as text: the exception and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// An engine with one handler, already evaluated.
pub struct Engine {
    // Values are dropped before their context.
    dispatch: Persistent<Function<'static>>,
    describe: Persistent<Function<'static>>,
    handler: Persistent<Value<'static>>,
    uncaught: Uncaught,
    timers: Timers,
    context: Context,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts an engine and evaluates the module `source`, whose default export is
    /// the handler.
    ///
    /// # Errors
    /// If the module cannot be compiled, throws, or never settles.
    pub fn load(source: &str, platform: Platform) -> std::result::Result<Self, Failure> {
        let start = || {
            let runtime = Runtime::new()?;
            runtime.set_max_stack_size(STACK_BYTES);
            Context::full(&runtime)
        };
        let context = start().map_err(|error| Failure(format!("the engine did not start: {error}")))?;
        let (random, uncaught, timers) = (Random::default(), Uncaught::default(), Timers::new(platform));
        let (dispatch, describe) =
            context
                .with(|ctx| web_api(&ctx, platform, &random, &uncaught, &timers))
                .map_err(|error| Failure(format!("the web API's scripts failed: {error}")))?;
        let handler = context.with(|ctx| {
            let handler =
                evaluate(&ctx, source).map(|handler| Persistent::save(&ctx, handler)).map_err(|error| {
                    failure(&ctx, &describe, error, "the module's top-level await never settles")
                });
            // The jobs that it has left are not the first request's.
            run_jobs(&ctx);
            handler
        })?;
        if let Some(text) = uncaught.take() {
            return Err(Failure(text));
        }
        random.forget();
        let runtime = context.runtime();
        runtime.run_gc();
        let used = usize::try_from(runtime.memory_usage().malloc_size).unwrap_or_default();
        runtime.set_gc_threshold(used + GARBAGE_BYTES);
        Ok(Self { dispatch, describe, handler, uncaught, timers, context })
    }

    /// Answers one request. Waits for the request's timers, which end with the answer.
    ///
    /// # Errors
    /// If the handler throws, rejects, never settles, or answers with anything but a response, and
    /// if nothing catches an exception of its timers and microtasks.
    /// The engine can go on. The state of the handler is its own affair.
    pub fn answer(&self, request: &Request<'_>) -> std::result::Result<Response, Failure> {
        let answer = self.context.with(|ctx| {
            self.timers.begin();
            let answer = self
                .dispatch(&ctx, request)
                .map_err(|error| failure(&ctx, &self.describe, error, "the handler's promise never settles"));
            // Jobs that a failed request has left must not run in the next request's time.
            run_jobs(&ctx);
            self.timers.end();
            answer
        });
        // A microtask that threw fails its request, whatever the handler has answered.
        self.uncaught.take().map_or(answer, |text| Err(Failure(text)))
    }

    fn dispatch(&self, ctx: &Ctx<'_>, request: &Request<'_>) -> Result<Response> {
        let dispatch = self.dispatch.clone().restore(ctx)?;
        let handler = self.handler.clone().restore(ctx)?;
        let headers = Array::new(ctx.clone())?;
        for (index, text) in request.headers.iter().flat_map(|(name, value)| [name, value]).enumerate() {
            headers.set(index, *text)?;
        }
        let body = match request.body {
            [] => Value::new_null(ctx.clone()),
            bytes => TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_value(),
        };
        let answer: Value<'_> = dispatch.call((handler, request.method, url(request), headers, body))?;
        response(&self.settled(ctx, answer)?)
    }

    /// The handler's answer once it is there. Calls the timers until then.
    fn settled<'js>(&self, ctx: &Ctx<'js>, answer: Value<'js>) -> Result<Array<'js>> {
        loop {
            // Also runs the jobs that the handler left for after its answer.
            run_jobs(ctx);
            let Some(promise) = answer.as_promise() else {
                return answer.into_array().ok_or_else(|| Error::new_from_js("value", "array"));
            };
            if let Some(settled) = promise.result() {
                return settled;
            }
            if self.uncaught.is_some() || !self.timers.call_next(ctx)? {
                return Err(Error::WouldBlock);
            }
        }
    }
}

fn run_jobs(ctx: &Ctx<'_>) {
    while ctx.execute_pending_job() {}
}

/// The URL that a handler sees, the same with every executor.
fn url(request: &Request<'_>) -> String {
    let mark = if request.query.is_empty() { "" } else { "?" };
    ["http://localhost", request.path, mark, request.query].concat()
}

/// Evaluates the scripts of the web API, and returns their `dispatch` and `describe`.
fn web_api(
    ctx: &Ctx<'_>,
    platform: Platform,
    random: &Random,
    uncaught: &Uncaught,
    timers: &Timers,
) -> Result<(Persistent<Function<'static>>, Persistent<Function<'static>>)> {
    random.install(ctx, platform.seed)?;
    host::install(ctx, platform, uncaught)?;
    timers.install(ctx)?;
    for (name, source) in SCRIPTS {
        let mut options = EvalOptions::default();
        options.filename = Some((*name).to_owned());
        ctx.eval_with_options::<(), _>(*source, options)?;
    }
    let entrance: Object<'_> = ctx.globals().get("__isolab")?;
    let (dispatch, describe): (Function<'_>, Function<'_>) =
        (entrance.get("dispatch")?, entrance.get("describe")?);
    Ok((Persistent::save(ctx, dispatch), Persistent::save(ctx, describe)))
}

/// Evaluates the handler's module, and returns its default export.
fn evaluate<'js>(ctx: &Ctx<'js>, source: &str) -> Result<Value<'js>> {
    let (module, evaluated) = Module::declare(ctx.clone(), "handler.js", source)?.eval()?;
    evaluated.finish::<()>()?;
    let handler: Value<'_> = module.get("default")?;
    let fetch = handler.as_object().map(|handler| handler.get::<_, Value<'_>>("fetch")).transpose()?;
    match fetch {
        Some(fetch) if fetch.is_function() => Ok(handler),
        _ => Err(Exception::throw_type(ctx, "the module's default export has no function `fetch`")),
    }
}

/// A response of `[status, [name, value, …], body]`.
fn response(answer: &Array<'_>) -> Result<Response> {
    let list: Array<'_> = answer.get(1)?;
    let text = |index| Ok::<_, Error>(Cow::Owned(list.get::<String>(index)?));
    let headers = (0..list.len()).step_by(2).map(|index| Ok((text(index)?, text(index + 1)?)));
    Ok(Response {
        status: answer.get(0)?,
        headers: headers.collect::<Result<_>>()?,
        body: body(&answer.get(2)?)?,
    })
}

fn body(value: &Value<'_>) -> Result<Vec<u8>> {
    if let Some(text) = value.as_string() {
        // Only a string with lone surrogates has no UTF-8 form. `toWellFormed` replaces them.
        let well_formed = || {
            let text = value.clone().into_js(value.ctx())?;
            let prototype: Object<'_> = value.ctx().eval("String.prototype")?;
            prototype.get::<_, Function<'_>>("toWellFormed")?.call((This(text),))
        };
        return text.to_string().or_else(|_| well_formed()).map(String::into_bytes);
    }
    if value.is_null() {
        return Ok(Vec::new());
    }
    let bytes = TypedArray::<u8>::from_value(value.clone())?;
    // SAFETY: no script runs while the bytes are copied.
    let bytes = unsafe { bytes.as_bytes() }.map(<[u8]>::to_vec);
    bytes.ok_or_else(|| Error::new_from_js("detached ArrayBuffer", "body"))
}

fn failure(ctx: &Ctx<'_>, describe: &Persistent<Function<'static>>, error: Error, pending: &str) -> Failure {
    let described = |thrown| describe.clone().restore(ctx)?.call::<_, String>((thrown,));
    Failure(match error {
        Error::WouldBlock => pending.to_owned(),
        Error::Exception => described(ctx.catch()).unwrap_or_else(|error| error.to_string()),
        error => error.to_string(),
    })
}
