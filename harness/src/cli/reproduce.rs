//! `isolab reproduce`: check published figures on this machine.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::spec::nearest;
use isolab_core::{Function, Reuse, Spec, Variant};
use isolab_reports::Experiment;
use isolab_reports::claims::{self, Answer, Claim, Need};
use isolab_reports::run::RecordedSelection;
use isolab_reports::{Summary, folder};

use crate::exit::{BadInput, DONE};
use crate::run::plan::{Block, Matrix};
use crate::run::preset;
use crate::run::record::FinishedRun;
use crate::run::request::RunRequest;
use crate::session::{self, Session};
use crate::{executors, library};

/// `isolab reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Check the figures of this run instead of measuring
    #[arg(long, value_name = "RUN", conflicts_with_all = ["quick", "full", "out", "seed", "strict"])]
    pub run: Option<PathBuf>,
    /// Claims to check, by the names in `claims.md` [default: all]
    #[arg(long, value_name = "CLAIM", value_delimiter = ',')]
    pub claim: Vec<String>,
    /// Measure a little of everything: at most 2 minutes
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Measure for publication: at most 50 minutes [default: at most 15 minutes]
    #[arg(long)]
    pub full: bool,
    /// Seed of the order in which cells are measured [default: random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Refuse to measure on a busy host, or on one whose frequency follows its load
    #[arg(long)]
    pub strict: bool,
    /// Run folder, new or empty [default: runs/<time>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Files that are written beside the run's own reports.
const MARKDOWN: &str = "claims.md";
const JSON: &str = "claims.json";

/// Measures what the claims need, or takes an earlier run, and prints each claim with its
/// verdict. A claim that does not hold here is a result, not a failure.
pub fn run(arguments: &ReproduceArgs) -> Result<u8> {
    super::log_to_stderr();
    let claims = chosen(claims::all().context("cannot read the claims")?, &arguments.claim)?;
    let (summary, dir, code) = if let Some(dir) = &arguments.run {
        let run = folder::read(dir).map_err(|error| BadInput::because(error.to_string()))?;
        (Summary::of(&run), dir.clone(), DONE)
    } else {
        let finished = measure(arguments, &claims)?;
        let code = session::conclude(&finished, arguments.strict);
        (finished.summary().clone(), finished.dir().to_owned(), code)
    };
    let checked = claims::check(&claims, &summary);
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write(MARKDOWN, claims::markdown(&checked))?;
    write(JSON, claims::json(&checked, &summary.run.id))?;
    println!("{}", claims::table(&checked, super::report::columns()));
    println!("{}", dir.display());
    Ok(code)
}

/// The claims of these names, or all of them if there are none.
fn chosen(mut claims: Vec<Claim>, names: &[String]) -> Result<Vec<Claim>> {
    let known: Vec<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = nearest(name, &known);
        return Err(BadInput::because(format!("there is no claim `{name}`{hint}; `claims.md` lists them")));
    }
    claims.retain(|claim| names.is_empty() || names.contains(&claim.id));
    Ok(claims)
}

/// Why none of these claims can be measured: the things that they would take.
fn out_of_reach(claims: &[Claim]) -> anyhow::Error {
    let lacking = claims.iter().map(|claim| match &claim.answer {
        Answer::Cannot(obstacle) => format!("`{}` would take {}", claim.id, obstacle.takes),
        Answer::Measured { .. } => format!("this binary lacks an executor of `{}`", claim.id),
    });
    anyhow::anyhow!("nothing can be measured: {}", lacking.collect::<Vec<_>>().join("; "))
}

fn measure(arguments: &ReproduceArgs, claims: &[Claim]) -> Result<FinishedRun> {
    let needs = claims::needs(claims);
    let blocks = blocks(&needs)?;
    if blocks.is_empty() {
        return Err(out_of_reach(claims));
    }
    let is_planned = |claim: &&Claim| matches!(claim.answer, Answer::Measured { .. });
    let (planned, all) = (claims.iter().filter(is_planned).count(), claims.len());
    if planned < all {
        eprintln!("{planned} of {all} claims are planned; {MARKDOWN} will say what the others would take");
    }
    let paths: Vec<PathBuf> = needs.iter().filter_map(|need| folder_of(&need.function)).collect();
    let unique = |mut paths: Vec<PathBuf>| {
        paths.sort();
        paths.dedup();
        paths
    };
    let session = Session {
        id: super::run_id(),
        request: RunRequest {
            matrix: matrix(&blocks),
            // Such a run cannot be resumed: its blocks follow from the claims.
            recorded: RecordedSelection::default(),
            functions: unique(paths),
            workers: vec![1],
            preset: match (arguments.quick, arguments.full) {
                (true, _) => preset::QUICK,
                (_, true) => preset::FULL,
                _ => preset::DEFAULT,
            },
            seed: arguments.seed.unwrap_or_else(rand::random),
            is_explicit: false,
            interrupted: None,
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
        let variant: Variant = need.variant.parse().map_err(anyhow::Error::msg)?;
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
        // A block that needs no reuse policy still needs a cell, for its outcome.
        if block.reuses.is_empty() {
            block.reuses.push(if block.variant.answers_once() { Reuse::Fresh } else { Reuse::Warm });
        }
    }
    Ok(blocks)
}

/// A resolved spec; none if its executor is not compiled in.
fn spec(text: &str) -> Result<Option<Spec>> {
    let name = text.split(':').next().unwrap_or(text);
    if !executors::is_compiled_in(name) {
        return Ok(None);
    }
    Ok(executors::specs(&[text.to_owned()])?.pop())
}

/// The folder of a function that is not one of the lab's own.
fn folder_of(function: &str) -> Option<PathBuf> {
    library::is_path(function).then(|| library::own_folder().join(function))
}

/// Everything that occurs in the blocks.
fn matrix(blocks: &[Block]) -> Matrix {
    let mut matrix = Matrix {
        specs: Vec::new(),
        functions: Vec::new(),
        variants: Vec::new(),
        reuses: Vec::new(),
        experiments: Vec::new(),
        beside: Vec::new(),
    };
    for block in blocks {
        add(&mut matrix.specs, block.spec.clone());
        add(&mut matrix.variants, block.variant);
        block.reuses.iter().for_each(|reuse| add(&mut matrix.reuses, *reuse));
        block.experiments.iter().for_each(|experiment| add(&mut matrix.experiments, *experiment));
        if matrix.functions.iter().all(|function| function.name() != block.function.name()) {
            matrix.functions.push(block.function.clone());
        }
    }
    matrix
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Claim> {
        claims::all().unwrap()
    }

    #[test]
    fn every_claim_can_be_planned() {
        let blocks = blocks(&claims::needs(&all())).unwrap();
        for block in &blocks {
            assert!(block.function.source(block.variant).is_some(), "{}", block.name());
            assert!(block.has(Experiment::Startup) && !block.reuses.is_empty(), "{}", block.name());
        }
        if cfg!(feature = "wasm") {
            let names: Vec<_> = blocks.iter().map(Block::name).collect();
            assert!(names.contains(&"wasm fibonacci-40 rust".to_owned()), "{names:?}");
        }
    }

    /// The command that a report gives for a claim that its run lacks must measure this claim.
    #[test]
    fn each_claim_alone_is_planned_or_says_what_it_would_take() {
        let is_complete = cfg!(all(feature = "wasm", feature = "v8", feature = "docker"));
        for claim in all() {
            let chosen = chosen(all(), std::slice::from_ref(&claim.id)).unwrap();
            assert_eq!(chosen, std::slice::from_ref(&claim));
            let is_planned = !blocks(&claims::needs(&chosen)).unwrap().is_empty();
            match &claim.answer {
                Answer::Measured { .. } => assert!(is_planned || !is_complete, "{}", claim.id),
                Answer::Cannot(obstacle) => {
                    assert!(!is_planned, "{}", claim.id);
                    assert!(out_of_reach(&chosen).to_string().contains(&obstacle.takes), "{}", claim.id);
                }
            }
        }
    }

    #[test]
    fn an_unknown_claim_is_bad_input_with_the_nearest_name() {
        let error = chosen(all(), &["runc-strat".to_owned()]).unwrap_err();
        assert_eq!(crate::exit::code(&error), crate::exit::BAD_INPUT);
        assert!(error.to_string().contains("did you mean `runc-start`?"), "{error}");
    }
}
