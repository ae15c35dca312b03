//! The properties of a foreign runtime that its executor needs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use isolab_core::function::Grant;
use isolab_core::{Cause, Limits};

/// A runtime of JavaScript that serves handlers by itself.
pub struct Runtime {
    /// The name of its executor, its program and its package.
    pub name: &'static str,
    /// The kinds of grants that a handler in it can use.
    pub(crate) granted: &'static [Grant],
    /// The bytes that it may allocate beyond the function's limit.
    pub(crate) extra_bytes: u64,
    /// Whether it listens before it has evaluated a handler. Its main module then answers the first request itself.
    pub(crate) listens_early: bool,
    /// The kind of its artifact.
    pub(crate) kind: &'static str,
    /// Lays a function out in a new folder, and counts the bytes.
    pub(crate) lay_out: fn(&Source<'_>) -> Result<usize, Cause>,
    /// The command line of an instance.
    pub(crate) command_line: fn(&Place<'_>) -> CommandLine,
}

/// A handler to lay out.
pub(crate) struct Source<'a> {
    pub(crate) program: &'a Path,
    pub(crate) handler: &'a [u8],
    pub(crate) limits: Limits,
    /// The folder, which is to be made.
    pub(crate) folder: &'a Path,
}

/// The paths of an instance.
pub(crate) struct Place<'a> {
    /// The function's files.
    pub(crate) function: &'a Path,
    /// The socket at which it listens.
    pub(crate) socket: PathBuf,
    /// The socket at which the host takes outbound requests. `None` if the function is granted no host.
    pub(crate) outbound: Option<PathBuf>,
    pub(crate) limits: Limits,
}

/// Arguments and environment of a program.
pub(crate) struct CommandLine {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

/// V8 reserves this for machine code when it starts, and the kernel counts it.
pub(crate) const CODE_RANGE_BYTES: u64 = 512 << 20;

/// The memory limit of a function as V8 takes it for a heap, in MiB.
pub(crate) fn heap_mib(limits: Limits) -> u64 {
    (limits.memory_bytes >> 20).max(1)
}

/// A word with a path behind it.
pub(crate) fn argument(word: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(word);
    argument.push(path);
    argument
}
