//! The variant `js` in this lab's own V8 server: a snapshot of the handler, and the lab's binary.
//!
//! The binary has V8 and its web API already, so the server runs the code of the executor
//! `v8`, and against that executor only the isolation differs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use isolab_core::Function;
use isolab_core::function::{Grant, Grants};

/// The command of the lab's binary that makes and serves snapshots.
const COMMAND: &str = "guest";

/// The reason without such a binary.
pub const MISSING: &str = "`javascript=v8` needs V8 in this binary; build it with `--features v8`";

/// A binary of the lab with V8 in it.
#[derive(Clone, Debug)]
pub struct V8Server {
    /// The file.
    pub program: PathBuf,
    /// The version of V8.
    pub version: String,
}

impl V8Server {
    /// The arguments that have the binary write the snapshot of a handler to stdout. A function that
    /// is granted hosts has streams and `fetch` in it, whatever its source names.
    pub fn snapshot(function: &Function, handler: &Path) -> Vec<OsString> {
        let streams = Self::streams(function).map(OsString::from);
        [COMMAND.into(), "snapshot".into()].into_iter().chain(streams).chain([handler.into()]).collect()
    }

    /// The part of these arguments that the function's grants decide.
    pub fn streams(function: &Function) -> Option<&'static str> {
        (!function.grants().hosts.is_empty()).then_some("--streams")
    }

    /// The arguments that have it serve a snapshot.
    pub fn serve(snapshot: &Path) -> Vec<OsString> {
        vec![COMMAND.into(), "serve".into(), snapshot.into()]
    }
}

/// Fails if the server cannot honour a grant that Node's can, with the reason as a sentence without a full stop.
pub fn check(grants: &Grants, executor: &str) -> Result<(), String> {
    grants.only(&[Grant::Hosts, Grant::Env], &format!("{executor}:javascript=v8")).map_err(|reason| {
        format!("{reason}: the web API of a handler in V8 has none; `{executor}:javascript=node` grants them")
    })
}
