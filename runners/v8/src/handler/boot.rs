//! Prepares an empty context for a handler.

use isolab_core::Cause;

use super::code::Code;
use super::natives;
use crate::isolate::{self, Failure, exception};

/// The values of a booted context.
pub(crate) struct Booted<'s> {
    /// `dispatch(handler, method, url, headers, body)` of the web API.
    pub(crate) dispatch: v8::Local<'s, v8::Function>,
    /// The handler module's default export.
    pub(crate) handler: v8::Local<'s, v8::Value>,
}

/// In a slot of the isolate while the handler's module is evaluated: the first exception of its
/// microtasks, as text.
pub(super) struct Uncaught(pub(super) Option<String>);

/// A handler's source, and the web API that it needs.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) text: String,
    /// Whether it needs streams and `fetch`.
    pub(crate) streams: bool,
}

/// Has V8's own classes keep to the memory limit where V8 does not count their memory.
pub(crate) fn limit(scope: &mut v8::PinScope<'_, '_>, code: &mut Code<'_>) -> Result<(), Failure> {
    run(scope, code, "buffers.js", include_str!("buffers.js"))?;
    run(scope, code, "intl.js", include_str!("intl.js"))
}

/// Evaluates the web API and the handler's module in the scope's context, which is [limited](limit).
pub(crate) fn boot<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    source: &Source,
    code: &mut Code<'_>,
) -> Result<Booted<'s>, Failure> {
    natives::install(scope, source.streams).ok_or(Failure::Thrown)?;
    for (name, source) in isolab_webapi::scripts(source.streams) {
        run(scope, code, name, source)?;
    }
    let dispatch = dispatch(scope)?;
    Ok(Booted { dispatch, handler: evaluate(scope, code, &source.text)? })
}

/// Runs a script for its effects.
pub(crate) fn run(
    scope: &mut v8::PinScope<'_, '_>,
    code: &mut Code<'_>,
    name: &str,
    source: &str,
) -> Result<(), Failure> {
    let script = code.script(scope, name, source)?;
    script.run(scope).map(|_| ()).ok_or(Failure::Thrown)
}

/// Removes globals that V8 adds only when it restores a snapshot, so that a handler sees the
/// same globals while it is evaluated and later. Memories of `WebAssembly` would also escape
/// the memory limit.
pub(crate) fn remove_late_globals(scope: &mut v8::PinScope<'_, '_>) -> Result<(), Failure> {
    let global = scope.get_current_context().global(scope);
    for name in ["WebAssembly", "SharedArrayBuffer"] {
        let name = text(scope, name)?;
        global.delete(scope, name.into()).ok_or(Failure::Thrown)?;
    }
    Ok(())
}

/// The function that the last script of the web API left on the global object.
fn dispatch<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Function>, Failure> {
    let mut value: v8::Local<'_, v8::Value> = scope.get_current_context().global(scope).into();
    for name in ["__isolab", "dispatch"] {
        let name = text(scope, name)?;
        let object = value.to_object(scope).ok_or(Failure::Thrown)?;
        value = object.get(scope, name.into()).ok_or(Failure::Thrown)?;
    }
    value.try_into().map_err(|_| Cause::Internal("the web API has no `__isolab.dispatch`".into()).into())
}

/// Evaluates the handler's module and returns its default export.
fn evaluate<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    code: &mut Code<'_>,
    source: &str,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    let module = code.module(scope, "handler.js", source)?;
    module.instantiate_module(scope, refuse_import).ok_or(Failure::Thrown)?;
    scope.set_slot(Uncaught(None));
    let settled = module.evaluate(scope).ok_or(Failure::Thrown)?;
    scope.perform_microtask_checkpoint();
    isolate::check(scope);
    if let Some(Uncaught(Some(text))) = scope.remove_slot() {
        return Err(Failure::Rejected(text));
    }
    let settled: v8::Local<'_, v8::Promise> = settled
        .try_into()
        .map_err(|_| Cause::Internal("evaluating a module did not give a promise".into()))?;
    match settled.state() {
        v8::PromiseState::Fulfilled => {}
        v8::PromiseState::Pending => {
            let reason = "handler.js: a top-level await never settles";
            return Err(Cause::Artifact(reason.into()).into());
        }
        v8::PromiseState::Rejected => {
            let exception = settled.result(scope);
            return Err(Failure::Rejected(exception::describe(scope, exception)));
        }
    }
    let namespace = module.get_module_namespace().to_object(scope).ok_or(Failure::Thrown)?;
    let name = text(scope, "default")?;
    let handler = namespace.get(scope, name.into()).ok_or(Failure::Thrown)?;
    check(scope, handler)?;
    Ok(handler)
}

/// Checks that a handler is an object with a function `fetch`.
fn check(scope: &mut v8::PinScope<'_, '_>, handler: v8::Local<'_, v8::Value>) -> Result<(), Failure> {
    let name = text(scope, "fetch")?;
    let object = v8::Local::<v8::Object>::try_from(handler).ok();
    let fetch = object.and_then(|object| object.get(scope, name.into()));
    if fetch.is_some_and(|fetch| fetch.is_function()) {
        return Ok(());
    }
    let reason = "handler.js: the default export is not an object with a function `fetch`";
    Err(Cause::Artifact(reason.into()).into())
}

fn refuse_import<'s>(
    context: v8::Local<'s, v8::Context>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
    _referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Module>> {
    v8::callback_scope!(unsafe scope, context);
    let message = format!(
        "a handler cannot import anything, but this one imports `{}`",
        specifier.to_rust_string_lossy(scope)
    );
    let message = v8::String::new(scope, &message)?;
    let exception = v8::Exception::type_error(scope, message);
    scope.throw_exception(exception);
    None
}

/// A string of V8; `Thrown` if it is longer than V8 allows.
pub(crate) fn text<'s>(
    scope: &v8::PinScope<'s, '_>,
    text: &str,
) -> Result<v8::Local<'s, v8::String>, Failure> {
    v8::String::new(scope, text).ok_or(Failure::Thrown)
}
