//! `isolab bench`: measure, write a run folder, print its table and its path.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::exit::BadInput;
use crate::run::plan::{Block, twins};
use crate::run::request::Asked;
use crate::session::{self, Session};

/// `isolab bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Executors, with their settings: `wasm:compiler=winch,v8` [default: all that this machine can run]
    #[arg(long, value_name = "SPEC")]
    pub executor: Vec<String>,
    /// Functions by name, or the path of a function's folder [default: all of the lab's]
    #[arg(long, value_name = "NAME|PATH", value_delimiter = ',')]
    pub function: Vec<String>,
    /// Variants [default: rust,js]
    #[arg(long, value_name = "VARIANT", value_delimiter = ',')]
    pub variant: Vec<String>,
    /// Reuse policies: `fresh`, `warm`, `reuse:N` [default: fresh,warm]
    #[arg(long, value_name = "POLICY", value_delimiter = ',')]
    pub reuse: Vec<String>,
    /// Experiments: startup, memory, density, load, open, burst [default: all]
    #[arg(long, value_name = "EXPERIMENT", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only see that all works: under three minutes for everything
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Measure for publication: at most 75 minutes for everything [default: a quarter of an hour]
    #[arg(long)]
    pub full: bool,
    /// How often everything is measured [default: 3; 1 with --quick, 5 with --full]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub repetitions: Option<u32>,
    /// Decides the order in which cells are measured [default: at random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Take up an interrupted run where it stopped
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["executor", "function", "variant", "reuse", "only", "quick", "full", "repetitions", "seed", "out"]
    )]
    pub resume: Option<PathBuf>,
    /// Refuse to measure on a host that is busy, or whose speed follows its load
    #[arg(long)]
    pub strict: bool,
    /// The run folder, new or empty [default: runs/<time>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where artifacts lie while measuring; each block gets a new folder in it [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// Measures what is asked for.
pub fn run(arguments: &BenchArgs) -> Result<u8> {
    super::log_to_stderr();
    let asked = Asked::by(arguments)?;
    let blocks = blocks_of(&asked)?;
    let taken_up = asked.taken_up.as_ref().map(|taken_up| taken_up.run.id.clone());
    let session = Session {
        id: taken_up.unwrap_or_else(super::run_id),
        blocks,
        asked,
        is_strict: arguments.strict,
        out: arguments.out.as_deref(),
        cache: arguments.cache.as_deref(),
    };
    let ended = session.run()?;
    println!("{}", ended.table(super::report::columns()));
    let code = session::verdict(&ended, arguments.strict);
    println!("{}", ended.dir().display());
    Ok(code)
}

/// Every block of one repetition, twins last.
fn blocks_of(asked: &Asked) -> Result<Vec<Block>> {
    let mut blocks: Vec<_> = asked.selection.blocks(asked.preset.is_narrow).collect();
    if blocks.is_empty() {
        return Err(BadInput::because("none of the functions has one of the variants asked for"));
    }
    if asked.preset.has_twins {
        blocks.extend(twins(&blocks));
    }
    Ok(blocks)
}
