//! The variant `js`: the handler and the server that calls it, on an image with the
//! host's Node and its libraries.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use isolab_core::Cause;
use isolab_core::cache::digest;
use serde::Deserialize;

use crate::recipe::{Added, Content, NODE, NODE_BASE, Recipe};

/// Where the recipe `node` finds Node in its image.
const PROGRAM: &str = "/usr/bin/node";

/// The first version with the classes of `fetch` and `ServerResponse.appendHeader`.
const LEAST_MAJOR: u32 = 18;

const MISSING: &str = "the images of `js` are made of the host's Node, and there is no `node` on PATH: \
                       install it (Debian: apt-get install nodejs)";

/// The host's Node.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Node {
    /// The program itself, even if `node` on the PATH is a wrapper.
    #[serde(rename = "execPath")]
    program: PathBuf,
    pub(crate) version: String,
}

impl Node {
    /// Looks for Node, once in each process; a reason if there is none that can be used.
    pub(crate) fn find() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Node, String>> = OnceLock::new();
        FOUND.get_or_init(ask).as_ref().map_err(String::as_str)
    }

    /// The recipe of the base image. It is named by the sizes and times of its files
    /// and not by their bytes: hashing 100 MB would be most of a cached `prepare`.
    pub(crate) fn base(&self) -> Result<Recipe, Cause> {
        let failed = |error: io::Error| Cause::Artifact(format!("Node cannot be put into an image: {error}"));
        let mut hosts: BTreeSet<PathBuf> = libraries(&self.program).map_err(failed)?;
        hosts.insert(self.program.clone());
        // The loader finds libraries outside of its standard folders by this file.
        hosts.extend(Some(PathBuf::from("/etc/ld.so.cache")).filter(|cache| cache.is_file()));
        let mut parts = vec![self.version.clone()];
        for host in &hosts {
            let facts = fs::metadata(host).map_err(failed)?;
            parts.push(format!(
                "{} {} {}.{}",
                host.display(),
                facts.len(),
                facts.mtime(),
                facts.mtime_nsec()
            ));
        }
        // These paths are in the files above, so the digest stands for them already.
        hosts.extend(externals(&hosts).map_err(failed)?);
        let mut added: Vec<Added> = hosts.into_iter().map(host_file).collect();
        if self.program != Path::new(PROGRAM) {
            added.push(Added {
                path: below_root(Path::new(PROGRAM)),
                content: Content::Link(self.program.clone()),
            });
        }
        let identity: Vec<_> = parts.iter().map(String::as_bytes).collect();
        Ok(Recipe::new(&NODE_BASE, "node", Vec::new(), &identity, added))
    }
}

/// The recipe of a function's image on top of the base, and the handler's digest.
pub(crate) fn recipe(function: &str, handler: &Path, base_tag: &str) -> Result<(Recipe, String), Cause> {
    let code = fs::read(handler)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", handler.display())))?;
    let source = digest([code.as_slice()]);
    let arguments = vec![("BASE", base_tag.to_owned())];
    Ok((Recipe::with_file(&NODE, &format!("{function}-js"), arguments, "handler.js", code), source))
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

/// A file of the host at its own path in the image.
fn host_file(host: PathBuf) -> Added {
    Added { path: below_root(&host), content: Content::Host(host) }
}

/// The place in the recipe `node-base` of the file that lies at `path` in the image.
fn below_root(path: &Path) -> String {
    format!("root{}", path.display())
}

/// The shared libraries of a program and its loader, as `ldd` finds them.
fn libraries(program: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        return Err(io::Error::other(format!("a library is missing: {}", missing.trim())));
    }
    // For a static program there is nothing on stdout.
    Ok(parse_libraries(&text))
}

/// Lines are `name => /path (address)` or `/path/of/the/loader (address)`.
fn parse_libraries(text: &str) -> BTreeSet<PathBuf> {
    let path = |line: &str| {
        let line = line.rsplit_once("=> ").map_or(line, |(_, path)| path);
        let path = line.trim().split(" (0x").next().filter(|path| path.starts_with('/'));
        path.map(PathBuf::from)
    };
    text.lines().filter_map(path).collect()
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
    fn the_output_of_ldd_is_read() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_libraries(text), BTreeSet::from(expected));
        assert!(parse_libraries("\tstatically linked\n").is_empty());
    }

    #[test]
    fn scripts_outside_of_the_binary_are_found_by_their_paths() {
        let binary = b"\x7fELF\0/usr/share/nodejs/undici/undici-fetch.js\0x/usr/share/nodejs/a.js\0/usr/share/nodejs/x\0";
        let paths: Vec<_> = script_paths(binary).collect();
        assert_eq!(paths, [PathBuf::from("/usr/share/nodejs/undici/undici-fetch.js")]);
    }
}
