//! The host's Node, and the server that calls a handler in it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::program::Program;

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

    /// The program with all files that it loads.
    pub fn with_libraries(&self) -> io::Result<Program> {
        let mut program = Program::of(&self.program, &self.version)?;
        program.add(externals(&program.files)?);
        Ok(program)
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

/// Scripts that lie outside of the binary, as in Debian. Their paths are compiled into the
/// binary, and Node does not start without them.
fn externals(binaries: &BTreeSet<PathBuf>) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for binary in binaries {
        let is_nodes = binary.file_name().is_some_and(|name| name.to_string_lossy().contains("node"));
        if is_nodes {
            found.extend(script_paths(&fs::read(binary)?).filter(|path| path.is_file()));
        }
    }
    Ok(found)
}

/// The strings in a binary that are absolute paths of scripts.
fn script_paths(binary: &[u8]) -> impl Iterator<Item = PathBuf> + '_ {
    const PREFIX: &[u8] = b"/usr/share/nodejs/";
    let strings = binary.split(|byte| *byte == 0).filter(|string| string.starts_with(PREFIX));
    let texts = strings.filter_map(|string| std::str::from_utf8(string).ok());
    texts.filter(|text| text.ends_with("js")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_outside_of_the_binary_are_found_by_their_paths() {
        let binary = b"\x7fELF\0/usr/share/nodejs/undici/undici-fetch.js\0x/usr/share/nodejs/a.js\0/usr/share/nodejs/x\0";
        let paths: Vec<_> = script_paths(binary).collect();
        assert_eq!(paths, [PathBuf::from("/usr/share/nodejs/undici/undici-fetch.js")]);
    }
}
