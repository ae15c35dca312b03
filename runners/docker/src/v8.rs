//! The variant `js` in this lab's own V8 server: a snapshot of the handler, on an image with
//! the lab's binary and its libraries.
//!
//! The binary has V8 and its web API already, so the container runs the code of the executor
//! `v8`, and against that executor only the isolation differs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use isolab_core::cache::digest;
use isolab_core::{Cause, Function};
use isolab_guest::program::Program;

use crate::base;
use crate::recipe::{Added, BASE_ARGUMENT, Content, Recipe, V8};

/// The command of the lab's binary that the image and its making use.
const COMMAND: &str = "guest";

/// A binary of the lab with V8 in it.
#[derive(Clone, Debug)]
pub struct V8Server {
    /// The file.
    pub program: PathBuf,
    /// The version of V8.
    pub version: String,
}

impl V8Server {
    /// The recipe of the base image.
    pub(crate) fn base(&self) -> Result<Recipe, Cause> {
        let program = Program::of(&self.program, &self.version).map_err(|error| {
            Cause::Artifact(format!("the V8 server cannot be put into an image: {error}"))
        })?;
        Ok(base::recipe(program, "isolab"))
    }

    /// The recipe of a function's image on top of the base, and the handler's digest. The
    /// snapshot is made when the image is built, and known by what it is made from. A function that
    /// is granted hosts has streams and `fetch` in it, whatever its source names.
    pub(crate) fn recipe(
        &self,
        function: &Function,
        handler: &Path,
        base_tag: &str,
    ) -> Result<(Recipe, String), Cause> {
        let code = fs::read(handler)
            .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", handler.display())))?;
        let streams = (!function.grants().hosts.is_empty()).then_some("--streams");
        let mut arguments: Vec<OsString> = vec![COMMAND.into(), "snapshot".into()];
        arguments.extend(streams.map(OsString::from));
        arguments.push(handler.into());
        let snapshot = Content::Output { program: self.program.clone(), arguments };
        let added = vec![Added { path: "snapshot".into(), content: snapshot }];
        let build_arguments = vec![(BASE_ARGUMENT, base_tag.to_owned())];
        let name = format!("{}-js-v8", function.name());
        let identity = [code.as_slice(), streams.unwrap_or_default().as_bytes()];
        let recipe = Recipe::new(&V8, &name, build_arguments, &identity, added);
        Ok((recipe, digest([code.as_slice()])))
    }
}
