//! The variant `rust`: the function's static server, alone in its image.

use std::path::Path;

use isolab_core::cache::digest;
use isolab_core::guest::{self, Instructions, Target};
use isolab_core::{Cause, Laps};

use crate::recipe::{NATIVE, Recipe};

/// Builds the server. Answers the image's recipe and the digest of the server.
pub(crate) fn recipe(
    function: &str,
    manifest: &Path,
    instructions: Instructions,
    laps: &mut Laps,
) -> Result<(Recipe, String), Cause> {
    let built = guest::build(manifest, Target::Server(instructions))
        .map_err(|error| Cause::Artifact(error.to_string()))?;
    let server = std::fs::read(&built)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", built.display())))?;
    laps.mark("compile");
    let source = digest([server.as_slice()]);
    let recipe = Recipe::with_file(&NATIVE, &format!("{function}-rust"), Vec::new(), "server", server);
    Ok((recipe, source))
}
