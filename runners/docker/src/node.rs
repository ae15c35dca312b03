//! The variant `js` in a Node server: the handler and the server that calls it, on an image
//! with the host's Node and its libraries.

use std::fs;
use std::path::Path;

use isolab_core::Cause;
use isolab_core::cache::digest;
use isolab_guest::node::Node;

use crate::base;
use crate::recipe::{BASE_ARGUMENT, NODE, Recipe};

/// The recipe of the base image.
pub(crate) fn base(node: &Node) -> Result<Recipe, Cause> {
    let program = node.with_libraries();
    let program =
        program.map_err(|error| Cause::Artifact(format!("Node cannot be put into an image: {error}")))?;
    Ok(base::recipe(program, "node"))
}

/// The recipe of a function's image on top of the base, and the handler's digest.
pub(crate) fn recipe(function: &str, handler: &Path, base_tag: &str) -> Result<(Recipe, String), Cause> {
    let code = fs::read(handler)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", handler.display())))?;
    let source = digest([code.as_slice()]);
    let arguments = vec![(BASE_ARGUMENT, base_tag.to_owned())];
    Ok((Recipe::with_file(&NODE, &format!("{function}-js"), arguments, "handler.js", code), source))
}
