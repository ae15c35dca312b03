//! Snapshots: a heap in which the handler is already evaluated.
//!
//! A snapshot refers to V8's built-in code and to the [`natives`] of this very binary,
//! so the cache knows it by the binary too.

use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use deno_core::v8;
use isolab_core::cache::digest;
use isolab_core::{Cache, Cause, Limits};

use crate::handler::boot::{self, Booted};
use crate::handler::natives;
use crate::isolate::budget::Budget;
use crate::isolate::watchdog::Watchdog;
use crate::isolate::{Failure, watched};
use crate::platform;

/// The kind of these entries in the cache.
const KIND: &str = "v8-snapshot";
/// Where in a snapshot its context keeps what [`boot`] made.
const DISPATCH: usize = 0;
const HANDLER: usize = 1;
/// Bytes of the digest before a snapshot in the cache.
const DIGEST_LEN: usize = blake3::OUT_LEN;

/// A snapshot. Isolates made from it read it for as long as they live.
#[derive(Debug)]
pub(crate) struct Blob(Vec<u8>);

impl Blob {
    /// Its size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The blob as isolates take it. Whoever makes one must keep the blob until the
    /// isolate has ended.
    pub(crate) fn startup_data(&self) -> v8::StartupData {
        // SAFETY: an `Isolate` holds its blob until it has ended.
        let bytes: &'static [u8] = unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.0.len()) };
        v8::StartupData::from(bytes)
    }
}

/// What isolates from snapshots and those that make them have in common.
pub(crate) fn params() -> v8::CreateParams {
    v8::CreateParams::default().external_references(natives::references())
}

/// The snapshot of a handler, and whether the cache had it.
pub(crate) fn load_or_make(
    cache: &Cache,
    source: &str,
    limits: Limits,
    dog: &Arc<Watchdog>,
) -> Result<(Blob, bool), Cause> {
    let key = key(source)?;
    if let Some(blob) = cache.load(KIND, &key).and_then(verified) {
        return Ok((blob, true));
    }
    let bytes = make(source, limits, dog)?;
    let mut entry = blake3::hash(&bytes).as_bytes().to_vec();
    entry.extend_from_slice(&bytes);
    cache
        .store(KIND, &key, &entry)
        .map_err(|error| Cause::Internal(format!("{} cannot be written: {error}", cache.dir().display())))?;
    Ok((Blob(bytes), false))
}

/// The snapshot in an entry; `None` if the entry is damaged: V8 would crash on it.
fn verified(mut entry: Vec<u8>) -> Option<Blob> {
    let (expected, bytes) = entry.split_at_checked(DIGEST_LEN)?;
    if blake3::hash(bytes).as_bytes() != expected {
        return None;
    }
    entry.drain(..DIGEST_LEN);
    Some(Blob(entry))
}

fn key(source: &str) -> Result<String, Cause> {
    let scripts =
        isolab_webapi::SCRIPTS.iter().flat_map(|(name, source)| [name.as_bytes(), source.as_bytes()]);
    let fixed = [binary()?, v8::V8::get_version(), platform::FLAGS, source];
    Ok(digest(fixed.into_iter().map(str::as_bytes).chain(scripts)))
}

/// What tells this binary from any other build of it.
fn binary() -> Result<&'static str, Cause> {
    static BINARY: OnceLock<Result<String, String>> = OnceLock::new();
    let identity = || {
        let data = std::env::current_exe().and_then(fs::metadata).map_err(|error| error.to_string())?;
        let modified = data.modified().map_err(|error| error.to_string())?;
        Ok(format!("{} bytes of {:?}", data.len(), modified.duration_since(UNIX_EPOCH).unwrap_or_default()))
    };
    let binary = BINARY.get_or_init(identity).as_deref();
    binary.map_err(|error| Cause::Internal(format!("this binary cannot be looked at: {error}")))
}

/// Evaluates a handler, under its limits, and takes the snapshot.
fn make(source: &str, limits: Limits, dog: &Arc<Watchdog>) -> Result<Vec<u8>, Cause> {
    platform::initialise();
    let (params, buffers) = Budget::params(limits.memory_bytes, v8::CreateParams::default());
    let mut creator = v8::Isolate::snapshot_creator(Some(natives::references()), Some(params));
    let budget = Budget::install(&mut creator, buffers);
    let watch = dog.watch(creator.thread_safe_handle(), limits.deadline);
    creator.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
    let result = {
        v8::scope!(let scope, &mut creator);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        scope.set_default_context(context);
        let scope = &mut v8::ContextScope::new(scope, context);
        watched(scope, &watch, &budget, limits, |scope| keep(scope, context, source))
    };
    // A creator can only end by making a snapshot, be it of what failed.
    creator.cancel_terminate_execution();
    let blob = creator.create_blob(v8::FunctionCodeHandling::Keep);
    result.map_err(as_artifact)?;
    blob.map(|blob| blob.to_vec()).ok_or_else(|| Cause::Internal("V8 made no snapshot".into()))
}

/// V8 ends the process if a snapshot is to hold one of Intl's objects, so there are none
/// until the handler is evaluated.
const REFUSE_INTL: &str = r#"
Object.defineProperty(globalThis, "Intl", {
  configurable: true,
  get() {
    throw new TypeError("V8 can keep no object of Intl in a snapshot: use Intl within fetch, or v8:snapshot=off");
  },
});
"#;

/// Boots the context and keeps what came of it with the snapshot.
fn keep(
    scope: &mut v8::PinScope<'_, '_>,
    context: v8::Local<'_, v8::Context>,
    source: &str,
) -> Result<(), Failure> {
    let name = boot::text(scope, "Intl")?;
    let intl = context.global(scope).get(scope, name.into()).ok_or(Failure::Thrown)?;
    boot::run(scope, "isolab:snapshot.js", REFUSE_INTL)?;
    let Booted { dispatch, handler } = boot::boot(scope, source)?;
    let hidden = v8::PropertyAttribute::DONT_ENUM;
    context.global(scope).define_own_property(scope, name.into(), intl, hidden).ok_or(Failure::Thrown)?;
    let places = [scope.add_context_data(context, dispatch), scope.add_context_data(context, handler)];
    if places == [DISPATCH, HANDLER] {
        Ok(())
    } else {
        Err(Cause::Internal(format!("V8 keeps the snapshot's values at {places:?}")).into())
    }
}

/// A handler that throws while it is evaluated has not trapped: it makes no artifact.
pub(crate) fn as_artifact(cause: Cause) -> Cause {
    match cause {
        Cause::Trapped(text) => Cause::Artifact(text),
        cause => cause,
    }
}

/// What [`boot`] made, in a context from a snapshot.
pub(crate) fn restore<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<Booted<'s>, Failure> {
    let lost = |error: v8::DataError| Cause::Internal(format!("the snapshot lacks a value: {error}"));
    let dispatch = scope.get_context_data_from_snapshot_once(DISPATCH).map_err(lost)?;
    let handler = scope.get_context_data_from_snapshot_once(HANDLER).map_err(lost)?;
    Ok(Booted { dispatch, handler })
}
