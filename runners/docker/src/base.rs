//! The image below those of the variant `js`: a program of the host.

use std::path::Path;

use isolab_guest::program::Program;

use crate::recipe::{Added, BASE, Content, Recipe};

/// Where images have their program.
const FOLDER: &str = "/usr/bin";

/// The recipe of an image in which the program is `/usr/bin/NAME`. Every file has its own path in it.
pub(crate) fn recipe(program: Program, name: &str) -> Recipe {
    let mut added: Vec<Added> = program
        .files
        .into_iter()
        .map(|file| Added { path: below_root(&file), content: Content::Host(file) })
        .collect();
    let link = Path::new(FOLDER).join(name);
    if program.path != link {
        added.push(Added { path: below_root(&link), content: Content::Link(program.path) });
    }
    let identity: Vec<_> = program.identity.iter().map(String::as_bytes).collect();
    Recipe::new(&BASE, name, Vec::new(), &identity, added)
}

/// The place in the recipe `base` of the file that lies at `path` in the image.
fn below_root(path: &Path) -> String {
    format!("root{}", path.display())
}
