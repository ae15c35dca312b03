//! A heavy-tailed mix of many functions, so that pools, caches and predictors are not one hot slot.
//!
//! The functions are copies of the run's own functions under names of their own. Each copy has
//! its own route, its own prepared artifact in memory and its own instances. Copies of one
//! function share the artifact on the disk, because its name there is the digest of its sources,
//! and its pages in the page cache.
//!
//! The exponent of the popularity fits the skew of a real platform. Shahrad et al., "Serverless in
//! the Wild" (USENIX ATC 2020, §3), report that the 18.6 % most popular applications of Azure
//! Functions receive 99.6 % of the invocations: with 1,000 functions, Zipf's law has that share at
//! an exponent of 1.9.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use isolab_core::laps::nanoseconds;
use isolab_core::{Function, Reuse};
use isolab_reports::Row;

use super::cost::Meter;
use super::load::{PATIENCE, expected_of, is_spinning};
use super::rows::Rows;
use super::{Bench, BlockProfile, Extent};
use crate::host::probes::places::Places;
use crate::http1::{Client, Wire};
use crate::load::Expected;
use crate::load::mixed::{self, MixedLoad, MixedWindow, Target};
use crate::server::child::Child;
use crate::server::control;

/// The exponent of Zipf's law; the module says from where.
pub const EXPONENT: f64 = 1.9;

/// Measures the mix in a child of its own.
///
/// # Errors
/// If an answer is faulty, or the child's cost cannot be read.
pub fn measure(bench: &Bench<'_>, profile: &BlockProfile, reuse: Reuse, rows: &mut Rows<'_>) -> Result<()> {
    let amounts = bench.amounts(profile).mix;
    let sources = sources(bench);
    ensure!(!sources.is_empty(), "none of the run's functions can be copied");
    let folder = tempfile::Builder::new().prefix("mix-").tempdir_in(bench.cache);
    let folder = folder.context("cannot make a folder for copies of functions")?;
    copies(folder.path(), &sources, amounts.functions)?;
    let functions: Vec<PathBuf> =
        bench.lab.functions.iter().cloned().chain([folder.path().to_owned()]).collect();
    let child = bench.child_with(
        reuse,
        bench.cache,
        false,
        &Extent { functions: &functions, instances: Some(amounts.instances), ..bench.extent() },
    )?;
    let targets = targets(&sources, amounts.functions, &child)?;
    let load = MixedLoad {
        address: child.address(),
        targets,
        exponent: EXPONENT,
        seed: bench.lab.seed.wrapping_add(bench.block.repetition.into()),
        connections: amounts.connections,
        windows: vec![amounts.window; amounts.windows as usize],
        patience: PATIENCE,
        is_spinning: is_spinning(bench, profile),
    };
    let places = Places::child(child.pid());
    let mut meter = Meter::new(&places, load.windows.len());
    let outcome = mixed::run(&load, || meter.read())?;
    outcome.problems.faultless("in a mix of functions")?;
    let row = |sample| Row {
        connections: Some(amounts.connections as u64),
        functions: Some(amounts.functions as u64),
        ..rows.row_of(reuse, "mix", sample)
    };
    let windows: Vec<_> = (0..).map(row).zip(outcome.windows).zip(meter.windows()?).collect();
    let last = row(load.windows.len() as u64 - 1);
    for ((row, window), cost) in &windows {
        add_window(rows, row, window);
        rows.add(row, "cpu_ns", nanoseconds(cost.child()));
    }
    rows.add(&last, "stops_count", stops(&mut child.connect()?)?);
    child.stop()?;
    Ok(rows.commit()?)
}

/// The run's functions that have this variant and a folder with `function.toml`.
fn sources(bench: &Bench<'_>) -> Vec<(PathBuf, Function)> {
    let folder_of = |function: &Function| {
        let folder = function.source(bench.block.variant)?.parent()?;
        let is_own = function.code_name() == function.name() && folder.join("function.toml").is_file();
        is_own.then(|| (folder.to_owned(), function.clone()))
    };
    bench.lab.selected.iter().filter_map(folder_of).collect()
}

/// The name of the copy of this rank.
fn name(rank: usize) -> String {
    format!("mix-{rank:04}")
}

/// The requests to the copies. Only the sources are asked for beforehand, so that no copy has an
/// instance.
fn targets(sources: &[(PathBuf, Function)], count: usize, child: &Child) -> Result<Vec<Target>> {
    let answers = sources.iter().map(|(_, function)| Ok(expected_of(function, child)?.1));
    let answers: Vec<Expected> = answers.collect::<Result<_>>()?;
    let host = child.address().to_string();
    let target = |(rank, ((_, function), expected)): (usize, (&(PathBuf, Function), &Expected))| {
        let request = Wire::of_case(function.load_case(), &name(rank), &host)?;
        Ok(Target { request, expected: expected.clone() })
    };
    (0..count).zip(sources.iter().zip(&answers).cycle()).map(target).collect()
}

/// Writes this many functions, each like one of the sources in turn.
fn copies(within: &Path, sources: &[(PathBuf, Function)], count: usize) -> Result<()> {
    for (rank, (source, function)) in (0..count).zip(sources.iter().cycle()) {
        let folder = within.join(name(rank));
        let write = || -> std::io::Result<()> {
            fs::create_dir(&folder)?;
            let like = toml_string(&source.display().to_string());
            let load = match function.cases() {
                [] => String::new(),
                _ => format!("load = {}\n", toml_string(&function.load_case().name)),
            };
            let text = format!("description = \"A copy of `{}`\"\nlike = {like}\n{load}", function.name());
            fs::write(folder.join("function.toml"), text)?;
            function.cases_folder().map_or(Ok(()), |cases| symlink(cases, folder.join("cases")))
        };
        write().with_context(|| format!("cannot write the copy {}", folder.display()))?;
    }
    Ok(())
}

/// A text as TOML's basic string, which is JSON's.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn add_window(rows: &mut Rows<'_>, row: &Row, window: &MixedWindow) {
    rows.add(row, "responses_count", window.responses);
    rows.add(row, "cold_count", window.cold);
    rows.add(row, "functions_count", window.functions);
    rows.add_duration(row, window.duration);
    rows.add_latencies(row, "latency_count", &window.latency_ns);
    rows.add_latencies(row, "cold_latency_count", &window.cold_latency_ns);
}

/// The number of instances that the server has stopped. Under `warm`, each was evicted: another
/// function needed its place.
fn stops(client: &mut Client) -> Result<u64> {
    let response = control::expect_success(client.get("/-/metrics")?.response)?;
    Ok(stops_in(&String::from_utf8_lossy(response.body())))
}

fn stops_in(metrics: &str) -> u64 {
    let counts = metrics
        .lines()
        .filter(|line| line.starts_with("isolab_phase_seconds_count{") && line.contains("phase=\"stop\""));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use isolab_core::Library;

    use super::*;

    #[test]
    fn copies_have_the_code_and_the_cases_of_their_sources() {
        let library = crate::library::open(&[]).unwrap();
        let source =
            |name: &str| (crate::library::own_folder().join(name), library.get(name).unwrap().clone());
        let folder = tempfile::tempdir().unwrap();
        copies(folder.path(), &[source("hello"), source("json")], 5).unwrap();
        let copies = Library::open(&[folder.path().to_owned()]).unwrap();
        assert_eq!(copies.iter().count(), 5);
        let copy = copies.get("mix-0003").unwrap();
        assert_eq!((copy.code_name(), copy.load_case().name.as_str()), ("json", "records-160"));
        assert_eq!(copies.get("mix-0004").unwrap().code_name(), "hello");
        assert!(copy.load_case().expected_body().is_some());
    }

    #[test]
    fn copies_of_a_function_with_the_cases_of_another_have_them_too() {
        let path = crate::library::own_folder().join("languages/hello-c");
        let function = Function::load(&path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        copies(folder.path(), &[(path, function)], 1).unwrap();
        let library = Library::open(&[folder.path().to_owned()]).unwrap();
        assert!(library.get("mix-0000").unwrap().load_case().expected_body().is_some());
    }

    /// The share of the most popular 18.6 % of 1,000 functions, by the law itself.
    #[test]
    fn the_exponent_has_the_skew_of_its_source() {
        let weight = |ranks: u32| (1..=ranks).map(|rank| f64::from(rank).powf(-EXPONENT)).sum::<f64>();
        let share = weight(186) / weight(1_000);
        assert!((share - 0.996).abs() < 0.001, "{share}");
    }

    #[test]
    fn stops_of_all_functions_are_added_up() {
        let metrics = "isolab_phase_seconds_count{executor=\"wasm\",function=\"a\",phase=\"stop\"} 3\n\
                       isolab_phase_seconds_count{executor=\"wasm\",function=\"a\",phase=\"start\"} 9\n\
                       isolab_phase_seconds_sum{executor=\"wasm\",function=\"a\",phase=\"stop\"} 0.5\n\
                       isolab_phase_seconds_count{executor=\"wasm\",function=\"b\",phase=\"stop\"} 4\n";
        assert_eq!(stops_in(metrics), 7);
    }
}
