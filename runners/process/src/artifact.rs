//! A function's server as files that its processes can reach.
//!
//! The checkout usually lies in a folder that only its user may enter. So the server gets a copy in the
//! folder of the session.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use isolab_core::Variant;
use isolab_core::cache::digest;
use isolab_core::guest::{self, Target};
use isolab_core::{Artifact, Cause, Function, Laps};
use isolab_guest::files::{lay_out, read};
use isolab_guest::node::{self, Node};

use crate::settings::Settings;

/// V8 and its libraries allocate this much before a handler does, most of it for the stacks of threads.
const NODE_BYTES: u64 = 192 << 20;

/// Where Node finds its libraries, its scripts and its configuration.
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

/// Builds the server of a variant, and lays it out in `folder`.
pub(crate) fn make(
    function: &Function,
    (variant, source): (Variant, &Path),
    settings: Settings,
    folder: &Path,
    laps: &mut Laps,
) -> Result<Server, Cause> {
    if variant == Variant::Rust {
        let built = guest::build(source, Target::Server(settings.instructions))
            .map_err(|error| Cause::Artifact(error.to_string()))?;
        laps.mark("compile");
        native(&built, folder)
    } else {
        let node = Node::find().map_err(|reason| Cause::Unavailable(reason.to_owned()))?;
        javascript(function, source, node, folder)
    }
}

fn native(built: &Path, folder: &Path) -> Result<Server, Cause> {
    let server = read(built)?;
    let program = folder.join("server");
    lay_out(folder, &[("server", &server, 0o755)])?;
    let artifact = artifact("native server", &server, server.len());
    Ok(Server { program, arguments: Vec::new(), reads: Vec::new(), extra_bytes: 0, artifact })
}

fn javascript(function: &Function, handler: &Path, node: &Node, folder: &Path) -> Result<Server, Cause> {
    let code = read(handler)?;
    let files = node::SERVER.iter().map(|(name, bytes)| (*name, *bytes, 0o644));
    let files: Vec<_> = files.chain([("handler.js", code.as_slice(), 0o644)]).collect();
    lay_out(folder, &files)?;
    let heap_mib = (function.limits().memory_bytes >> 20).max(1);
    let arguments = vec![format!("--max-old-space-size={heap_mib}").into(), folder.join(node::MAIN).into()];
    let bytes = files.iter().map(|(_, bytes, _)| bytes.len()).sum();
    let artifact = artifact("handler with its server", &code, bytes);
    let reads =
        LIBRARIES.iter().map(PathBuf::from).chain([node.program.clone(), folder.to_owned()]).collect();
    Ok(Server { program: node.program.clone(), arguments, reads, extra_bytes: NODE_BYTES, artifact })
}

fn artifact(kind: &'static str, source: &[u8], bytes: usize) -> Artifact {
    Artifact { kind, source_digest: digest([source]), bytes: bytes as u64, cached: false }
}
