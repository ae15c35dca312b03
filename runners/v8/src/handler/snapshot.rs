//! Snapshots: a heap in which the handler is already evaluated.
//!
//! A snapshot refers to V8's built-in code and to the [`natives`] of this very binary,
//! so the cache knows it by the binary too. V8 trusts what it reads from a snapshot: a forged one
//! would run code in the host, and only its seal in the cache tells it from an honest one.

use std::fs;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use isolab_core::cache::digest;
use isolab_core::{Cache, Cause};

use super::boot::{self, Booted, Source};
use super::code::Code;
use super::natives;
use crate::isolate::{Blob, Failure, create_blob};
use crate::platform;
use crate::rules::Rules;

/// The kind of these entries in the cache.
const KIND: &str = "v8-snapshot";
/// Where in a snapshot its context keeps what [`boot`] made.
const DISPATCH: usize = 0;
const HANDLER: usize = 1;

/// The snapshot of a handler, and whether the cache had it.
pub(crate) fn load_or_make(cache: &Cache, source: &Source, rules: &Rules) -> Result<(Blob, bool), Cause> {
    let key = key(source)?;
    if let Some(bytes) = cache.load(KIND, &key) {
        return Ok((Blob::new(bytes, natives::references), true));
    }
    let blob = make(source, rules)?;
    cache.store(KIND, &key, blob.bytes()).map_err(|error| Cause::Internal(error.to_string()))?;
    Ok((blob, false))
}

/// Evaluates a handler and takes the heap after that.
pub(super) fn make(source: &Source, rules: &Rules) -> Result<Blob, Cause> {
    let made = create_blob(natives::references, rules.limits, &rules.watchdog, |scope, context| {
        keep(scope, context, source)
    });
    made.map_err(as_artifact)
}

/// Names an entry of the cache that is made from this source.
pub(super) fn key(source: &Source) -> Result<String, Cause> {
    let scripts = isolab_webapi::scripts(source.streams)
        .flat_map(|(name, source)| [name.as_bytes(), source.as_bytes()]);
    let fixed = [binary()?, v8::V8::get_version(), platform::flags(), &source.text];
    Ok(digest(fixed.into_iter().map(str::as_bytes).chain(scripts)))
}

/// Identifies this build of the binary.
fn binary() -> Result<&'static str, Cause> {
    static BINARY: OnceLock<Result<String, String>> = OnceLock::new();
    let identity = || {
        let data = std::env::current_exe().and_then(fs::metadata).map_err(|error| error.to_string())?;
        let modified = data.modified().map_err(|error| error.to_string())?;
        Ok(format!("{} bytes of {:?}", data.len(), modified.duration_since(UNIX_EPOCH).unwrap_or_default()))
    };
    let binary = BINARY.get_or_init(identity).as_deref();
    binary.map_err(|error| Cause::Internal(format!("the file of this program cannot be read: {error}")))
}

/// V8 ends the process when it has to put an object of Intl into a snapshot, so handlers
/// have no Intl while they are evaluated.
const REFUSE_INTL: &str = r#"
Object.defineProperty(globalThis, "Intl", {
  configurable: true,
  get() {
    throw new TypeError("a snapshot cannot hold an object of Intl: use Intl within fetch, or v8:snapshot=off");
  },
});
"#;

/// Boots the context, and marks the results so that [`restore`] finds them.
fn keep(
    scope: &mut v8::PinScope<'_, '_>,
    context: v8::Local<'_, v8::Context>,
    source: &Source,
) -> Result<(), Failure> {
    boot::limit(scope, &mut Code::Compiled)?;
    let name = boot::text(scope, "Intl")?;
    let intl = context.global(scope).get(scope, name.into()).ok_or(Failure::Thrown)?;
    boot::run(scope, &mut Code::Compiled, "isolab:snapshot.js", REFUSE_INTL)?;
    let Booted { dispatch, handler } = boot::boot(scope, source, &mut Code::Compiled)?;
    let hidden = v8::PropertyAttribute::DONT_ENUM;
    context.global(scope).define_own_property(scope, name.into(), intl, hidden).ok_or(Failure::Thrown)?;
    let places = [scope.add_context_data(context, dispatch), scope.add_context_data(context, handler)];
    if places == [DISPATCH, HANDLER] {
        Ok(())
    } else {
        Err(Cause::Internal(format!("V8 keeps the snapshot's values at {places:?}")).into())
    }
}

/// A handler that throws during `prepare` makes no artifact; only a request can trap.
pub(crate) fn as_artifact(cause: Cause) -> Cause {
    match cause {
        Cause::Threw(text) | Cause::Trapped(text) => Cause::Artifact(text),
        cause => cause,
    }
}

/// The values that [`boot`] made, in a context from a snapshot.
pub(crate) fn restore<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<Booted<'s>, Failure> {
    let lost = |error: v8::DataError| Cause::Internal(format!("the snapshot lacks a value: {error}"));
    let dispatch = scope.get_context_data_from_snapshot_once(DISPATCH).map_err(lost)?;
    let handler = scope.get_context_data_from_snapshot_once(HANDLER).map_err(lost)?;
    Ok(Booted { dispatch, handler })
}
