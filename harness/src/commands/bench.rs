//! `isolab bench`: measure, write a run folder, print its table and its path.

use anyhow::Result;

use crate::asked::Asked;
use crate::cli::BenchArgs;
use crate::exit::BadInput;
use crate::plan::{Block, twins};
use crate::session::{self, Session};

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
