//! Deno: `deno serve` with no permission but those that a server at a Unix socket takes.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use isolab_core::Cause;
use isolab_core::function::Grant;
use isolab_guest::files;
use isolab_guest::node;

use crate::runtime::{CODE_RANGE_BYTES, CommandLine, Place, Runtime, Source, argument, heap_mib};

/// The executor `deno`.
pub const DENO: Runtime = Runtime {
    name: "deno",
    granted: &[Grant::Hosts, Grant::Env],
    extra_bytes: CODE_RANGE_BYTES + (96 << 20),
    listens_early: false,
    kind: "handler with its server",
    lay_out,
    command_line,
};

const MAIN: &str = "main.mjs";

/// Beside the handler. The client for outbound requests is that of the Node server.
const SERVER: [(&str, &[u8]); 2] =
    [(MAIN, include_bytes!("js/deno.mjs")), ("answer.mjs", include_bytes!("js/answer.mjs"))];
const CLIENT: [&str; 2] = ["bodies.mjs", "fetch.mjs"];

/// Deno keeps its caches in memory if it cannot make their folder. Nobody can make this one.
const NO_FOLDER: &str = "/dev/null/deno";

fn lay_out(source: &Source<'_>) -> Result<usize, Cause> {
    let client = node::SERVER.into_iter().filter(|(name, _)| CLIENT.contains(name));
    let files = SERVER.into_iter().chain(client).chain([("handler.js", source.handler)]);
    let files: Vec<_> = files.map(|(name, bytes)| (name, bytes, 0o644)).collect();
    files::lay_out(source.folder, &files)?;
    Ok(files.iter().map(|(_, bytes, _)| bytes.len()).sum())
}

fn command_line(place: &Place<'_>) -> CommandLine {
    let flags = [
        "serve",
        "--quiet",
        "--no-prompt",
        "--no-config",
        "--no-lock",
        "--no-check",
        "--no-npm",
        "--no-remote",
        "--cached-only",
        "--no-code-cache",
        "--allow-env=ISOLAB_GRANTED,ISOLAB_OUTBOUND",
        // Libraries look for variables that nobody has set, and expect no error.
        "--ignore-env",
    ];
    let mut arguments: Vec<_> = flags.iter().map(Into::into).collect();
    arguments.push(format!("--v8-flags=--max-old-space-size={}", heap_mib(place.limits)).into());
    let sockets = || std::iter::once(place.socket.as_path()).chain(place.outbound.as_deref());
    arguments.push(list("--allow-read=", "", std::iter::once(place.function).chain(sockets())));
    arguments.push(list("--allow-write=", "", sockets()));
    arguments.push(list("--allow-net=", "unix:", sockets()));
    arguments.push(place.function.join(MAIN).into());
    let environment = vec![
        ("DENO_DIR", NO_FOLDER.into()),
        ("DENO_NO_UPDATE_CHECK", "1".into()),
        ("DENO_SERVE_ADDRESS", argument("unix:", &place.socket)),
        ("NO_COLOR", "1".into()),
    ];
    CommandLine { arguments, environment }
}

/// A flag with paths, each behind the same word.
fn list<'a>(flag: &str, word: &str, paths: impl Iterator<Item = &'a Path>) -> OsString {
    let words: Vec<_> = paths.map(|path| argument(word, path)).collect();
    let mut list = OsString::from(flag);
    list.push(words.join(OsStr::new(",")));
    list
}
