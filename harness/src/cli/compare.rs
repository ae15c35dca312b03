//! `isolab compare`: find a small difference between two specs, builds or functions.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use isolab_core::{Reuse, Spec, Variant};
use isolab_reports::paired::{Aim, Paired, PairedMetric, PairedResult};
use isolab_reports::run::ComparedSides;
use serde_json::{Value, json};

use super::values;
use crate::compare::callgrind;
use crate::compare::request::{ComparisonRequest, SideChoice};
use crate::compare::session::{self, Compared};
use crate::exit::{DONE, FAILED, INTERRUPTED};
use crate::run::record::default_dir;

const SIDES: &str = "Sides";
const HOW: &str = "Measurement";

/// `isolab compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isolab compare wasm wasm:compiler=winch
  isolab compare --build ./isolab-old --build ./isolab-new wasm --reuse fresh
  isolab compare direct --function ./old/handler --function ./new/handler --metric cpu
  isolab compare wasm wasm:compiler=winch --callgrind

Two servers are alive at the same time, and short windows of load alternate between them in the
order A B B A, so that a drift of the host cancels. The second side is compared with the first.
A neighbour's time slices hold up some answers for milliseconds: `rate` and `latency` are those of
typical answers, and the output gives the rate of all answers beside them.

The comparison ends when a difference is clear, when none above --margin is left, or when the
time is over.

Exit codes:
  0    done, also if there is a difference
  1    a measurement failed, or the second side is worse than --fail-if-worse allows
  2    bad input
  130  interrupted; everything measured so far is kept")]
pub struct CompareArgs {
    /// One or two executors with their settings; with one, builds or functions must differ
    #[arg(value_name = "SPEC", required = true, num_args = 1..=2, value_parser = values::spec, help_heading = SIDES)]
    pub spec: Vec<Spec>,
    /// Binary of the lab: give this twice, the old one first [default: this binary]
    #[arg(long, value_name = "PATH", help_heading = SIDES)]
    pub build: Vec<PathBuf>,
    /// Function by name or path; give this twice to compare two functions that answer alike [default: hello]
    #[arg(long, value_name = "NAME|PATH", value_delimiter = ',', help_heading = SIDES)]
    pub function: Vec<String>,
    /// Variant: rust, js, module, command [default: the function's first]
    #[arg(long, value_name = "VARIANT", help_heading = SIDES)]
    pub variant: Option<Variant>,
    /// Reuse policy of both: `fresh`, `warm`, `reuse:N` [default: warm; fresh for the metric start]
    #[arg(long, value_name = "POLICY", help_heading = SIDES)]
    pub reuse: Option<Reuse>,
    /// Quantity to compare: latency of one connection, rate of several, start, cpu, instructions.
    /// Latency is the steadiest beside neighbours: their time slices hold up only one answer each
    #[arg(long, value_name = "METRIC", default_value = "latency", help_heading = HOW)]
    pub metric: PairedMetric,
    /// Differences up to this do not matter
    #[arg(long, value_name = "PERCENT", default_value = "1.5", value_parser = margin, help_heading = HOW)]
    pub margin: f64,
    /// Longest time to measure, such as `90s`, `8m`
    #[arg(long, value_name = "D", default_value = "8m", value_parser = values::duration, help_heading = HOW)]
    pub budget: Duration,
    /// Seed of the order of windows [default: random]
    #[arg(long, value_name = "N", help_heading = HOW)]
    pub seed: Option<u64>,
    /// Count instructions under valgrind's callgrind instead of measuring time
    #[arg(long, conflicts_with_all = ["metric", "margin", "budget", "seed", "out"], help_heading = HOW)]
    pub callgrind: bool,
    /// End with exit code 1 if the second side is worse by more than this, with its whole interval
    #[arg(long, value_name = "PERCENT", value_parser = gate)]
    pub fail_if_worse: Option<f64>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Folder for the rows, new or empty [default: runs/<time>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

fn number(text: &str) -> Option<f64> {
    text.trim_end_matches('%').trim().parse().ok()
}

fn margin(text: &str) -> Result<f64, String> {
    let sensible = number(text).filter(|percent| (0.1..=50.0).contains(percent));
    sensible.ok_or_else(|| format!("`{text}` is not a percentage from 0.1 to 50"))
}

fn gate(text: &str) -> Result<f64, String> {
    let sensible = number(text).filter(|percent| (0.0..100.0).contains(percent));
    sensible.ok_or_else(|| format!("`{text}` is not a percentage from 0 to below 100"))
}

/// Compares the sides, and prints the finding.
pub fn run(arguments: &CompareArgs) -> Result<u8> {
    super::log_to_stderr();
    let default_function = || vec!["hello".to_owned()];
    let choice = SideChoice {
        specs: arguments.spec.clone(),
        builds: arguments.build.clone(),
        functions: if arguments.function.is_empty() {
            default_function()
        } else {
            arguments.function.clone()
        },
        variant: arguments.variant,
    };
    let sides = choice.sides()?;
    let default_reuse = if arguments.metric == PairedMetric::Start { Reuse::Fresh } else { Reuse::Warm };
    let request = ComparisonRequest {
        sides,
        reuse: arguments.reuse.unwrap_or(default_reuse),
        metric: arguments.metric,
        aim: Aim { margin: arguments.margin / 100.0 },
        budget: arguments.budget,
        seed: arguments.seed.unwrap_or_else(rand::random),
    };
    request.check()?;
    let id = super::run_id();
    if arguments.callgrind {
        return count(arguments, &request, &id);
    }
    let dir = arguments.out.clone().map_or_else(|| default_dir(&id), Ok)?;
    let compared = session::run(&request, &dir, &id)?;
    if arguments.json {
        println!("{}", as_json(&compared)?);
    } else {
        compared.lines().iter().for_each(|line| println!("{line}"));
        println!("{}", compared.dir.display());
    }
    Ok(code(arguments, &compared))
}

fn count(arguments: &CompareArgs, request: &ComparisonRequest, id: &str) -> Result<u8> {
    let counted = callgrind::compare(request, id)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&counted)?);
    } else {
        counted.lines().iter().for_each(|line| println!("{line}"));
    }
    let allowed = arguments.fail_if_worse.map(|percent| 1.0 + percent / 100.0);
    let is_worse = allowed.is_some_and(|allowed| counted.ratio > allowed);
    Ok(if is_worse { FAILED } else { DONE })
}

fn code(arguments: &CompareArgs, compared: &Compared) -> u8 {
    if compared.is_interrupted() {
        return INTERRUPTED;
    }
    let Paired { result, metric, .. } = &compared.paired;
    let is_worse = |percent: f64| result.is_worse_by(percent / 100.0, metric.is_less_better());
    match arguments.fail_if_worse {
        Some(percent) if is_worse(percent) => {
            eprintln!("the second side is worse by more than {percent} %");
            FAILED
        }
        _ => DONE,
    }
}

fn as_json(compared: &Compared) -> Result<String> {
    let Compared { paired, run, dir } = compared;
    let lines = compared.lines();
    let ComparedSides { sides, margin_percent, elapsed_ms, uncounted, .. } =
        run.comparison.as_ref().expect("this run is a comparison");
    let object = json!({
        "finding": paired.result.finding,
        "sentence": lines.first(),
        "metric": paired.metric,
        "sides": sides,
        "levels": paired.levels,
        "ratio": ratio(&paired.result),
        "margin_percent": margin_percent,
        "pairs_count": paired.result.pairs,
        "quads_count": paired.result.quads,
        "elapsed_ms": elapsed_ms,
        "seed": run.seed,
        "status": run.status,
        "instructions": paired.instructions.as_ref().map(ratio),
        "uncounted": uncounted,
        "idle_part": paired.idle,
        "waited_part": paired.waited,
        "folder": dir,
    });
    Ok(serde_json::to_string(&object)?)
}

/// The second side's value over the first's, with its interval.
fn ratio(result: &PairedResult) -> Value {
    let interval = result.ratio.and_then(|ratio| ratio.interval);
    json!({
        "value": result.ratio.map(|ratio| ratio.value),
        "low": interval.map(|interval| interval.low),
        "high": interval.map(|interval| interval.high),
    })
}
