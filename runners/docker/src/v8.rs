//! The variant `js` in this lab's own V8 server: a snapshot of the handler, on an image with
//! the lab's binary and its libraries.

use std::fs;
use std::path::Path;

use isolab_core::cache::digest;
use isolab_core::{Cause, Function};
use isolab_guest::program::Program;
use isolab_guest::v8::V8Server;

use crate::base;
use crate::recipe::{Added, BASE_ARGUMENT, Content, Recipe, V8};

/// The recipe of the base image.
pub(crate) fn base(server: &V8Server) -> Result<Recipe, Cause> {
    let program = Program::of(&server.program, &server.version)
        .map_err(|error| Cause::Artifact(format!("the V8 server cannot be put into an image: {error}")))?;
    Ok(base::recipe(program, "isolab"))
}

/// The recipe of a function's image on top of the base, and the handler's digest. The
/// snapshot is made when the image is built, and known by what it is made from.
pub(crate) fn recipe(
    server: &V8Server,
    function: &Function,
    handler: &Path,
    base_tag: &str,
) -> Result<(Recipe, String), Cause> {
    let code = fs::read(handler)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", handler.display())))?;
    let arguments = V8Server::snapshot(function, handler);
    let snapshot = Content::Output { program: server.program.clone(), arguments };
    let added = vec![Added { path: "snapshot".into(), content: snapshot }];
    let build_arguments = vec![(BASE_ARGUMENT, base_tag.to_owned())];
    let name = format!("{}-js-v8", function.name());
    let streams = V8Server::streams(function).unwrap_or_default();
    let recipe = Recipe::new(&V8, &name, build_arguments, &[code.as_slice(), streams.as_bytes()], added);
    Ok((recipe, digest([code.as_slice()])))
}
