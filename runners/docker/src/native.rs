//! The `rust` variant: the function's static server, alone in its image.

use std::path::Path;

use isolab_core::cache::digest;
use isolab_core::guest::{self, Target};
use isolab_core::{Cause, Laps};

use crate::image::Recipe;

/// Builds the server and answers its recipe and the digest of the server.
pub(crate) fn recipe(function: &str, manifest: &Path, laps: &mut Laps) -> Result<(Recipe, String), Cause> {
    let built = guest::build(manifest, Target::Server).map_err(|error| Cause::Artifact(error.to_string()))?;
    let server = std::fs::read(&built)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", built.display())))?;
    laps.mark("compile");
    let source = digest([server.as_slice()]);
    let dockerfile = "FROM scratch\nCOPY root/ /\nENTRYPOINT [\"/server\"]\n";
    let recipe = Recipe::of_bytes(&format!("{function}-rust"), dockerfile.into(), vec![("server", server)]);
    Ok((recipe, source))
}
