//! `isolab build`: build the functions' Wasm modules, native servers and native libraries.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::guest::{self, Built};
use isolab_core::{Function, Variant};

use super::values::SpecList;
use crate::exit::DONE;
use crate::{executors, guests, library};

/// `isolab build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Executors to build for [default: all]
    #[arg(long, value_name = "SPEC")]
    pub executor: Vec<SpecList>,
    /// Functions by name or path [default: all of the lab's]
    #[arg(long, value_name = "NAME|PATH", value_delimiter = ',')]
    pub function: Vec<String>,
    /// Folder to copy the results to, with an index for `ISOLAB_GUESTS`
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Builds everything that is out of date, and prints a line for each.
pub fn run(arguments: &BuildArgs) -> Result<u8> {
    let (mut functions, _) = library::select(&arguments.function)?;
    if arguments.function.is_empty() {
        functions.push(Function::load(&library::attempts())?);
    }
    let mut specs: Vec<_> = arguments.executor.iter().flat_map(|list| list.0.clone()).collect();
    if specs.is_empty() {
        specs = executors::by_default();
    }
    let mut index = String::new();
    for step in guests::steps(&specs, &functions, &Variant::ALL) {
        let built = step.build().with_context(|| format!("cannot build {}", step.name))?;
        println!("{} ({:.1} s)", step.name, built.took.as_secs_f64());
        if let Some(folder) = &arguments.out {
            index += &copy(&built.guest, folder).with_context(|| format!("cannot copy {}", step.name))?;
        }
    }
    if let Some(folder) = &arguments.out {
        std::fs::write(folder.join("index"), index).context("cannot write the index")?;
    }
    Ok(DONE)
}

/// Copies a guest to `folder/TARGET/FILE` and returns its line for the index of that folder.
fn copy(built: &Built, folder: &Path) -> Result<String> {
    let name = Path::new(built.target).join(built.path.file_name().context("a guest is a file")?);
    let copy = folder.join(&name);
    std::fs::create_dir_all(copy.parent().context("a guest lies in its target's folder")?)?;
    std::fs::copy(&built.path, &copy)?;
    let manifest = built.manifest.strip_prefix(guest::workspace()).unwrap_or(&built.manifest).to_owned();
    Ok(Built { manifest, path: name, ..*built }.index_line())
}
