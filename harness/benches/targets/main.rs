//! The cost of the front end, beside peers that do the same with less: `make targets`.
//!
//! Every figure is a ratio of two servers that are loaded in turn, round by round, in one run.
//! Each server has one processor, the load generator another. A machine that drifts slows both;
//! the range of the ratio over the rounds shows the remaining noise.
//!
//! - [`bare`]: a hyper server that answers the same bytes, the ceiling.
//! - [`rounds`]: loading servers in turn.
//! - [`http`]: the front end with `direct`, `wasm` and `v8` against that ceiling.
//! - [`generator`]: the load generator against wrk.
//! - [`container`]: `docker` against the engine's own command line, and against requests
//!   straight to the container.
//! - [`isolate`]: first answers and memory of `v8`.
//! - [`overhead`]: what measuring adds to the server that is measured.
//! - [`neighbours`]: a function's latency beside one that computes without end.
//! - [`bill`]: what bills add to the server that sends them.
//!
//! If a peer is missing, the bench says so and leaves out its line. `make microbench` compares
//! single phases.

mod bare;
mod bill;
mod container;
mod generator;
mod http;
mod isolate;
mod neighbours;
mod overhead;
mod rounds;
mod server;

use std::process::ExitCode;

use anyhow::Result;
use isolab::host::affinity::Pinning;
use isolab_reports::run::Placement;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        // This binary is also the servers: the lab's own, and the bare one.
        Some("serve") => isolab::exit::report(isolab::cli::run(std::env::args_os())),
        Some(bare::COMMAND) => isolab::exit::report(bare::serve(&arguments[2..]).map(|()| 0)),
        _ => isolab::exit::report(compare(&arguments[1..]).map(|()| 0)),
    }
}

type Comparison = fn(Option<Pinning>) -> Result<()>;

/// Runs the comparisons whose names hold one of `words`, or all.
fn compare(words: &[String]) -> Result<()> {
    let words: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let pinning = Pinning::choose(Placement::Engine);
    if pinning.is_none() {
        eprintln!("this process may use only one processor: nothing is pinned");
    }
    let comparisons: [(&str, Comparison); 7] = [
        ("http", http::compare),
        ("generator", generator::compare),
        ("isolate", isolate::measure),
        ("container", container::compare),
        ("neighbours", neighbours::compare),
        ("overhead", overhead::compare),
        ("bill", bill::compare),
    ];
    for (name, compare) in comparisons.into_iter().filter(|(name, _)| is_wanted(name)) {
        println!("\n== {name}");
        compare(pinning)?;
    }
    Ok(())
}
