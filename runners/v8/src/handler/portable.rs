//! A handler's snapshot as bytes, for a server in a container that runs this same binary.
//!
//! The server's image holds the snapshot, so it is neither in the cache nor sealed: its reader
//! is in the sandbox itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use isolab_core::{Artifact, Cause, Error, Limits, Phase, Prepared};

use isolab_outbound::Outbound;

use super::boot::Source;
use super::{Boundary, Origin, Powers, PreparedHandler, natives, snapshot};
use crate::isolate::Blob;
use crate::platform::{self, Jit, Started};
use crate::rules::Rules;
use crate::{MOST_CONCURRENCY, NAME};
use isolab_core::watchdog::Watchdog;

/// The last byte of a stored snapshot, behind V8's own bytes: whether the handler has streams and
/// `fetch`.
const WITH_STREAMS: u8 = 1;
const WITHOUT_STREAMS: u8 = 0;

/// Evaluates a handler, and returns the heap after that. The handler has streams and `fetch` if `streams`
/// says so, or if its source names them.
///
/// # Errors
/// If the handler throws or breaks a limit, or V8 has started with other flags than the default ones.
pub fn snapshot(source: &str, streams: bool, limits: Limits) -> Result<Vec<u8>, Error> {
    let rules = rules(limits)?;
    start(&rules)?;
    let streams = streams || isolab_webapi::needs_streams(source);
    let made = snapshot::make(&Source { text: source.to_owned(), streams }, &rules);
    let mut bytes = made.map(Blob::into_bytes).map_err(|cause| rules.error(Phase::Prepare, cause))?;
    bytes.push(if streams { WITH_STREAMS } else { WITHOUT_STREAMS });
    Ok(bytes)
}

/// Everything that a handler in a container is granted.
#[derive(Clone, Debug, Default)]
pub struct PortableGrants {
    /// The socket at which the host of the container takes outbound requests. `None` if no host is
    /// granted.
    pub outbound: Option<PathBuf>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
}

/// The handler in a snapshot, ready to be started.
///
/// # Errors
/// If the thread that enforces deadlines cannot be started, the snapshot is empty, or V8 has started with other
/// flags than the default ones.
///
/// # Safety
/// The bytes must be those that [`snapshot`] of this same binary returned: V8 runs what is in
/// them.
pub unsafe fn from_snapshot(
    mut bytes: Vec<u8>,
    limits: Limits,
    grants: PortableGrants,
) -> Result<Arc<dyn Prepared>, Error> {
    let rules = rules(limits)?;
    start(&rules)?;
    let empty = || rules.error(Phase::Prepare, Cause::Artifact("the snapshot is empty".into()));
    let streams = bytes.pop().ok_or_else(empty)? == WITH_STREAMS;
    let artifact =
        Artifact { kind: "snapshot", source_digest: String::new(), bytes: bytes.len() as u64, cached: true };
    let origin = Origin::Snapshot(Arc::new(Blob::new(bytes, natives::references)));
    // The host decides how many requests it sends to a container.
    let concurrency = MOST_CONCURRENCY;
    let outbound = grants.outbound.map_or_else(Outbound::nowhere, Outbound::through);
    let powers = Powers { outbound: Arc::new(outbound), env: grants.env };
    let boundary = Boundary::Isolate;
    Ok(Arc::new(PreparedHandler { rules, origin, artifact, concurrency, powers, streams, boundary }))
}

/// The snapshot and its server have the same flags.
fn start(rules: &Rules) -> Result<(), Error> {
    platform::start_with(Jit::On).map_err(|Started(jit)| {
        rules.error(Phase::Prepare, Cause::Unavailable(format!("V8 has started with `{jit}`")))
    })
}

fn rules(limits: Limits) -> Result<Rules, Error> {
    let watchdog = Watchdog::start().map_err(|error| {
        let cause = Cause::Unavailable(format!("the thread for deadlines cannot be started: {error}"));
        Error::new(Phase::Prepare, NAME, "*", cause)
    })?;
    Ok(Rules::new(NAME, "handler.js", limits, &watchdog))
}
