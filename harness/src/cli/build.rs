//! `isolab build`: the functions' Wasm modules and native servers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::guest::{self, Built};
use isolab_core::{Spec, Variant};

use crate::exit::DONE;
use crate::{executors, guests, library};

/// `isolab build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Build only for these executors [default: all]
    #[arg(long, value_name = "SPEC")]
    pub executor: Vec<String>,
    /// Functions by name or path [default: all of the lab's]
    #[arg(long, value_name = "NAME|PATH", value_delimiter = ',')]
    pub function: Vec<String>,
    /// Copy everything that was built into this folder, with an index for ISOLAB_GUESTS
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Builds everything that is not up to date, and prints a line for each.
pub fn run(arguments: &BuildArgs) -> Result<u8> {
    let (functions, _) = library::select(&arguments.function)?;
    let specs = executors::specs(&arguments.executor)?;
    let names: Vec<_> = if specs.is_empty() {
        executors::ALL.iter().map(|known| known.name).collect()
    } else {
        specs.iter().map(Spec::name).collect()
    };
    let mut index = String::new();
    for step in guests::steps(&names, &functions, &Variant::ALL) {
        let built = step.build().with_context(|| format!("cannot build {}", step.name))?;
        println!("{} ({:.1} s)", step.name, built.took.as_secs_f64());
        if let Some(folder) = &arguments.out {
            index +=
                &copy(&built.guest, folder).with_context(|| format!("{} cannot be copied", step.name))?;
        }
    }
    if let Some(folder) = &arguments.out {
        std::fs::write(folder.join("index"), index).context("the index cannot be written")?;
    }
    Ok(DONE)
}

/// Copies a guest to `folder/TARGET/FILE` and returns its line for the index of that folder.
fn copy(built: &Built, folder: &Path) -> Result<String> {
    let name = Path::new(built.triple).join(built.path.file_name().context("a guest is a file")?);
    let copy = folder.join(&name);
    std::fs::create_dir_all(copy.parent().context("a guest lies in its target's folder")?)?;
    std::fs::copy(&built.path, &copy)?;
    let manifest = built.manifest.strip_prefix(guest::workspace()).unwrap_or(&built.manifest).to_owned();
    Ok(Built { manifest, path: name, ..*built }.index_line())
}
