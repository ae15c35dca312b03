//! The host's Node, and the server that calls a handler in it.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

/// The first version with the classes of `fetch` and `ServerResponse.appendHeader`.
const LEAST_MAJOR: u32 = 18;

const MISSING: &str = "servers of `js` run in the host's Node, and there is no `node` on PATH: \
                       install it (Debian: apt-get install nodejs)";

/// The files of the server, by their names in its folder. The handler is beside them, as `handler.js`.
pub const SERVER: [(&str, &[u8]); 4] = [
    ("bodies.mjs", include_bytes!("../../../docker/guests/node/bodies.mjs")),
    ("fetch.mjs", include_bytes!("../../../docker/guests/node/fetch.mjs")),
    ("package.json", include_bytes!("../../../docker/guests/node/package.json")),
    (MAIN, include_bytes!("../../../docker/guests/node/server.mjs")),
];

/// The file of the server that Node runs.
pub const MAIN: &str = "server.mjs";

/// The host's Node.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// The program itself, even if `node` on the PATH is a wrapper.
    #[serde(rename = "execPath")]
    pub program: PathBuf,
    /// Its version.
    pub version: String,
}

impl Node {
    /// Looks for Node, once in each process; a reason if there is none that can be used.
    pub fn find() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Node, String>> = OnceLock::new();
        FOUND.get_or_init(ask).as_ref().map_err(String::as_str)
    }
}

fn ask() -> Result<Node, String> {
    let script =
        "process.stdout.write(JSON.stringify({execPath: process.execPath, version: process.versions.node}))";
    let output = Command::new("node").args(["--eval", script]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => MISSING.to_owned(),
        _ => format!("`node` cannot be run: {error}"),
    })?;
    let node: Node = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`node` does not work: {}", String::from_utf8_lossy(&output.stderr).trim()))?;
    let major = node.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < LEAST_MAJOR) {
        return Err(format!("Node {LEAST_MAJOR} or later is needed, and `node` is {}", node.version));
    }
    Ok(node)
}
