//! `isolab reproduce`: measure what others published figures of, and compare.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::{Function, Reuse, Spec, Variant};
use isolab_reports::Experiment;
use isolab_reports::claims::{self, Need};
use isolab_reports::run::RecordedSelection as Recorded;
use isolab_reports::{Summary, folder};

use crate::exit::{BadInput, DONE};
use crate::run::plan::{Block, Selection};
use crate::run::preset;
use crate::run::request::Asked;
use crate::session::{self, Session};
use crate::{executors, library};

/// `isolab reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Check this run instead of measuring one
    #[arg(long, value_name = "RUN", conflicts_with_all = ["quick", "out", "seed", "strict"])]
    pub run: Option<PathBuf>,
    /// Measure to a first approximation
    #[arg(long)]
    pub quick: bool,
    /// Decides the order in which cells are measured [default: at random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Refuse to measure on a host that is busy, or whose speed follows its load
    #[arg(long)]
    pub strict: bool,
    /// The run folder, new or empty [default: runs/<time>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// The names of what is written beside the run's own reports.
const MARKDOWN: &str = "claims.md";
const JSON: &str = "claims.json";

/// Measures what the claims need, or takes a run that has, and prints each claim with its
/// verdict. A claim that is not reproduced is a result and no failure.
pub fn run(arguments: &ReproduceArgs) -> Result<u8> {
    super::log_to_stderr();
    let claims = claims::all().context("the file of claims")?;
    let (summary, dir, code) = if let Some(dir) = &arguments.run {
        let run = folder::read(dir).map_err(|error| BadInput::because(error.to_string()))?;
        (Summary::of(&run), dir.clone(), DONE)
    } else {
        let ended = measure(arguments, &claims::needs(&claims))?;
        let code = session::verdict(&ended, arguments.strict);
        (ended.summary().clone(), ended.dir().to_owned(), code)
    };
    let checked = claims::check(&claims, &summary);
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    write(MARKDOWN, claims::markdown(&checked))?;
    write(JSON, claims::json(&checked, &summary.run.id))?;
    println!("{}", claims::table(&checked, super::report::columns()));
    println!("{}", dir.display());
    Ok(code)
}

fn measure(arguments: &ReproduceArgs, needs: &[Need]) -> Result<crate::run::record::Ended> {
    let blocks = blocks(needs)?;
    let paths: Vec<PathBuf> = needs.iter().filter_map(|need| folder_of(&need.function)).collect();
    let unique = |mut paths: Vec<PathBuf>| {
        paths.sort();
        paths.dedup();
        paths
    };
    let session = Session {
        id: super::run_id(),
        asked: Asked {
            selection: selection(&blocks),
            // Not to be taken up: what is measured follows from the claims.
            recorded: Recorded::default(),
            functions: unique(paths),
            preset: if arguments.quick { preset::QUICK } else { preset::DEFAULT },
            seed: arguments.seed.unwrap_or_else(rand::random),
            is_explicit: false,
            taken_up: None,
        },
        blocks,
        is_strict: arguments.strict,
        out: arguments.out.as_deref(),
        cache: None,
    };
    session.run()
}

/// One block for each executor, function and variant that a claim needs.
fn blocks(needs: &[Need]) -> Result<Vec<Block>> {
    let own = library::open(&[])?;
    let mut blocks: Vec<Block> = Vec::new();
    for need in needs {
        let Some(spec) = spec(&need.executor)? else { continue };
        let function = match folder_of(&need.function) {
            Some(path) => Function::load(&path)?,
            None => own.get(&need.function)?.clone(),
        };
        let variant: Variant = super::variant(&need.variant)?;
        let reuse = need.reuse.as_deref().map(str::parse::<Reuse>).transpose()?;
        let is_same = |block: &Block| {
            block.spec == spec && block.function.name() == function.name() && block.variant == variant
        };
        let place = blocks.iter().position(is_same).unwrap_or_else(|| {
            blocks.push(Block {
                spec,
                function,
                variant,
                reuses: Vec::new(),
                experiments: vec![Experiment::Startup],
                is_twin: false,
                repetition: 0,
            });
            blocks.len() - 1
        });
        let block = &mut blocks[place];
        add(&mut block.experiments, need.experiment);
        if let Some(reuse) = reuse {
            add(&mut block.reuses, reuse);
        }
    }
    for block in &mut blocks {
        // What depends on no policy still needs a cell, for its outcome to be noted.
        if block.reuses.is_empty() {
            block.reuses.push(Reuse::Warm);
        }
    }
    Ok(blocks)
}

/// A resolved spec; none if its executor is not compiled in.
fn spec(text: &str) -> Result<Option<Spec>> {
    let name = text.split(':').next().unwrap_or(text);
    let is_compiled_in = executors::compiled_in().iter().any(|spec| spec.name() == name);
    if !is_compiled_in {
        return Ok(None);
    }
    Ok(executors::specs(&[text.to_owned()])?.pop())
}

/// Where a function lies that is not one of the lab's own.
fn folder_of(function: &str) -> Option<PathBuf> {
    function.contains('/').then(|| library::own_folder().join(function))
}

/// Everything that stands in the blocks.
fn selection(blocks: &[Block]) -> Selection {
    let mut selection = Selection {
        specs: Vec::new(),
        functions: Vec::new(),
        variants: Vec::new(),
        reuses: Vec::new(),
        experiments: Vec::new(),
    };
    for block in blocks {
        add(&mut selection.specs, block.spec.clone());
        add(&mut selection.variants, block.variant);
        block.reuses.iter().for_each(|reuse| add(&mut selection.reuses, *reuse));
        block.experiments.iter().for_each(|experiment| add(&mut selection.experiments, *experiment));
        if selection.functions.iter().all(|function| function.name() != block.function.name()) {
            selection.functions.push(block.function.clone());
        }
    }
    selection
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_can_be_planned() {
        let needs = claims::needs(&claims::all().unwrap());
        let blocks = blocks(&needs).unwrap();
        for block in &blocks {
            assert!(block.function.source(block.variant).is_some(), "{}", block.name());
            assert!(block.has(Experiment::Startup) && !block.reuses.is_empty(), "{}", block.name());
        }
        if cfg!(feature = "wasm") {
            let names: Vec<_> = blocks.iter().map(Block::name).collect();
            assert!(names.contains(&"wasm fibonacci-40 rust".to_owned()), "{names:?}");
        }
    }
}
