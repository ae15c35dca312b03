//! A handler's snapshot as bytes, for a server in a container that runs this same binary.
//!
//! The server's image holds the snapshot, so it is neither in the cache nor sealed: its reader
//! is in the sandbox itself.

use std::sync::Arc;

use isolab_core::{Artifact, Cause, Error, Limits, Phase, Prepared};

use super::boot::Source;
use super::{Origin, Powers, PreparedHandler, natives, snapshot};
use crate::isolate::Blob;
use crate::rules::Rules;
use crate::{MOST_CONCURRENCY, NAME, platform};
use isolab_core::watchdog::Watchdog;

/// Evaluates a handler, and returns the heap after that.
///
/// # Errors
/// If the handler throws, or breaks a limit.
pub fn snapshot(source: &str, limits: Limits) -> Result<Vec<u8>, Error> {
    platform::initialise();
    let rules = rules(limits)?;
    let source = Source { streams: isolab_webapi::needs_streams(source), text: source.to_owned() };
    snapshot::make(&source, &rules).map(Blob::into_bytes).map_err(|cause| rules.error(Phase::Prepare, cause))
}

/// The handler in a snapshot, ready to be started.
///
/// # Errors
/// If the thread that enforces deadlines cannot be started.
///
/// # Safety
/// The bytes must be those that [`snapshot`] of this same binary returned: V8 runs what is in
/// them.
pub unsafe fn from_snapshot(bytes: Vec<u8>, limits: Limits) -> Result<Arc<dyn Prepared>, Error> {
    platform::initialise();
    let artifact =
        Artifact { kind: "snapshot", source_digest: String::new(), bytes: bytes.len() as u64, cached: true };
    let origin = Origin::Snapshot(Arc::new(Blob::new(bytes, natives::references)));
    // The host decides how many requests it sends to a container.
    let concurrency = MOST_CONCURRENCY;
    let powers = Powers::default();
    // The server in the container takes and gives whole bodies.
    let streams = false;
    Ok(Arc::new(PreparedHandler { rules: rules(limits)?, origin, artifact, concurrency, powers, streams }))
}

fn rules(limits: Limits) -> Result<Rules, Error> {
    let watchdog = Watchdog::start().map_err(|error| {
        let cause = Cause::Unavailable(format!("the thread for deadlines cannot be started: {error}"));
        Error::new(Phase::Prepare, NAME, "*", cause)
    })?;
    Ok(Rules::new(NAME, "handler.js", limits, &watchdog))
}
