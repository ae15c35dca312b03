//! `isolab build`: everything that functions are given to executors as.

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::Variant;

use crate::exit::DONE;
use crate::{executors, guests, library};

/// `isolab build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Functions by name or path [default: all of the lab's]
    #[arg(long, value_name = "NAME|PATH", value_delimiter = ',')]
    pub function: Vec<String>,
}

/// Builds what is not up to date, and says what that was.
pub fn run(arguments: &BuildArgs) -> Result<u8> {
    let (functions, _) = library::select(&arguments.function)?;
    let names: Vec<_> = executors::ALL.iter().map(|known| known.name).collect();
    for step in guests::steps(&names, &functions, &Variant::ALL) {
        let built = step.build().with_context(|| format!("{} cannot be built", step.name))?;
        println!("{} ({:.1} s)", step.name, built.took.as_secs_f64());
    }
    Ok(DONE)
}
