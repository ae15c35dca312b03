//! A function's server as files that its processes can reach.
//!
//! The checkout usually lies in a folder that only its user may enter. So the server gets a copy in the
//! folder of the session.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolab_core::Variant;
use isolab_core::cache::digest;
use isolab_core::guest::{self, Target};
use isolab_core::{Artifact, Cache, Cause, Function, Laps};
use isolab_guest::files::{lay_out, read};
use isolab_guest::javascript::Javascript;
use isolab_guest::node::{self, Node};
use isolab_guest::v8::{MISSING, V8Server};
use isolab_guest::zygote;

use crate::settings::{Settings, Spawn};
use crate::wasm2c::Wasm2c;

/// Node's V8 and its libraries allocate this much before a handler does, most of it for the stacks of threads.
const NODE_BYTES: u64 = 192 << 20;

/// The lab's V8 also makes all addresses of its machine code writable at once: 512 MiB, which it uses as it needs them.
const V8_BYTES: u64 = NODE_BYTES + (512 << 20);

/// The server around a module allocates this much beside the module's memory.
const WASM2C_BYTES: u64 = 16 << 20;

/// Where Node and the lab's binary find their libraries, their scripts and their configuration.
const LIBRARIES: [&str; 4] = ["/usr", "/lib", "/lib64", "/etc/ssl"];

/// A server laid out.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Files and folders that it reads beside its own folder.
    pub(crate) reads: Vec<PathBuf>,
    /// The bytes that it may allocate beyond the function's limit.
    pub(crate) extra_bytes: u64,
    pub(crate) artifact: Artifact,
}

/// The means to make servers.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) settings: Settings,
    pub(crate) v8: Option<&'a V8Server>,
    /// With `sandbox=wasm2c`.
    pub(crate) wasm2c: Option<&'a Wasm2c>,
    pub(crate) cache: &'a Cache,
}

/// Builds the server of a variant, and lays it out in `folder`.
pub(crate) fn make(
    function: &Function,
    (variant, source): (Variant, &Path),
    means: Means<'_>,
    folder: &Path,
    laps: &mut Laps,
) -> Result<Server, Cause> {
    let Means { settings, v8, wasm2c, cache } = means;
    let unavailable = |reason: &str| Cause::Unavailable(reason.to_owned());
    if let Some(wasm2c) = wasm2c {
        let module = Wasm2c::module(variant, source, &function.limits())?;
        let server = wasm2c.server(&module, settings.instructions, cache)?;
        laps.mark("compile");
        return native(("module as C", &module), &server, (settings.spawn, WASM2C_BYTES), folder);
    }
    match (variant, settings.javascript) {
        (Variant::Js, Javascript::Node) => {
            in_node(function, source, Node::find().map_err(unavailable)?, folder)
        }
        (Variant::Js, Javascript::V8) => {
            in_v8(function, source, v8.ok_or_else(|| unavailable(MISSING))?, folder, laps)
        }
        _ => {
            let built = guest::build(source, Target::Server(settings.instructions))
                .map_err(|error| Cause::Artifact(error.to_string()))?;
            laps.mark("compile");
            let server = read(&built)?;
            native(("native server", &server), &server, (settings.spawn, 0), folder)
        }
    }
}

/// Lays a static server out. It may allocate `extra_bytes` beyond the function's limit.
fn native(
    (kind, source): (&'static str, &[u8]),
    server: &[u8],
    (spawn, mut extra_bytes): (Spawn, u64),
    folder: &Path,
) -> Result<Server, Cause> {
    let program = folder.join("server");
    lay_out(folder, &[("server", server, 0o755)])?;
    let artifact = artifact(kind, source, server.len());
    if spawn == Spawn::Fork {
        extra_bytes += zygote::STACK_BYTES as u64;
    }
    Ok(Server { program, arguments: Vec::new(), reads: Vec::new(), extra_bytes, artifact })
}

fn in_node(function: &Function, handler: &Path, node: &Node, folder: &Path) -> Result<Server, Cause> {
    let code = read(handler)?;
    let files = node::SERVER.iter().map(|(name, bytes)| (*name, *bytes, 0o644));
    let files: Vec<_> = files.chain([("handler.js", code.as_slice(), 0o644)]).collect();
    lay_out(folder, &files)?;
    let heap_mib = (function.limits().memory_bytes >> 20).max(1);
    let arguments = vec![format!("--max-old-space-size={heap_mib}").into(), folder.join(node::MAIN).into()];
    let bytes = files.iter().map(|(_, bytes, _)| bytes.len()).sum();
    let artifact = artifact("handler with its server", &code, bytes);
    let reads = libraries().chain([node.program.clone(), folder.to_owned()]).collect();
    Ok(Server { program: node.program.clone(), arguments, reads, extra_bytes: NODE_BYTES, artifact })
}

fn in_v8(
    function: &Function,
    handler: &Path,
    server: &V8Server,
    folder: &Path,
    laps: &mut Laps,
) -> Result<Server, Cause> {
    let (code, snapshot) = (read(handler)?, snapshot(function, handler, server)?);
    laps.mark("snapshot");
    lay_out(folder, &[("snapshot", &snapshot, 0o644)])?;
    let program = folder.join("isolab");
    // A second name of the same file costs nothing.
    fs::hard_link(&server.program, &program)
        .or_else(|_| fs::copy(&server.program, &program).map(drop))
        .map_err(|error| Cause::Internal(format!("the V8 server cannot be laid out: {error}")))?;
    let arguments = V8Server::serve(&folder.join("snapshot"));
    let artifact = artifact("snapshot", &code, snapshot.len());
    let reads = libraries().collect();
    Ok(Server { program, arguments, reads, extra_bytes: V8_BYTES, artifact })
}

/// The snapshot that the lab's binary makes of a handler.
fn snapshot(function: &Function, handler: &Path, server: &V8Server) -> Result<Vec<u8>, Cause> {
    let mut command = Command::new(&server.program);
    let output = command.args(V8Server::snapshot(function, handler)).stdin(Stdio::null()).output();
    let output = output
        .map_err(|error| Cause::Internal(format!("{} cannot be run: {error}", server.program.display())))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Cause::Artifact(format!("no snapshot can be made of {}: {words}", handler.display())))
}

pub(crate) fn libraries() -> impl Iterator<Item = PathBuf> {
    LIBRARIES.iter().map(PathBuf::from)
}

fn artifact(kind: &'static str, source: &[u8], bytes: usize) -> Artifact {
    Artifact { kind, source_digest: digest([source]), bytes: bytes as u64, cached: false }
}
