//! The variant `js` in a Node server: the handler and the server that calls it, on an image
//! with the host's Node and its libraries.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isolab_core::Cause;
use isolab_core::cache::digest;
use isolab_guest::node::Node;

use crate::program::Program;
use crate::recipe::{BASE_ARGUMENT, NODE, Recipe};

/// The recipe of the base image.
pub(crate) fn base(node: &Node) -> Result<Recipe, Cause> {
    let mut program = Program::of(&node.program, &node.version).map_err(|error| failed(&error))?;
    program.add(externals(program.files()).map_err(|error| failed(&error))?);
    Ok(program.recipe("node"))
}

fn failed(error: &io::Error) -> Cause {
    Cause::Artifact(format!("Node cannot be put into an image: {error}"))
}

/// The recipe of a function's image on top of the base, and the handler's digest.
pub(crate) fn recipe(function: &str, handler: &Path, base_tag: &str) -> Result<(Recipe, String), Cause> {
    let code = fs::read(handler)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", handler.display())))?;
    let source = digest([code.as_slice()]);
    let arguments = vec![(BASE_ARGUMENT, base_tag.to_owned())];
    Ok((Recipe::with_file(&NODE, &format!("{function}-js"), arguments, "handler.js", code), source))
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
