//! The command line: one module for each command, with its arguments beside its run.

pub mod bench;
pub mod build;
pub mod compare;
pub mod doctor;
pub mod guest;
pub mod invoke;
pub mod load;
pub mod report;
pub mod reproduce;
pub mod serve;
pub mod values;
mod watch;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use isolab_core::cache::LIMIT_BYTES;
use isolab_core::{Cache, guest as guests};
use tracing_subscriber::EnvFilter;

use crate::run::utc::Utc;

/// Examples and what every command has in common.
const AFTER_HELP: &str = "\
Examples:
  isolab                                        measure everything that this machine can run
  isolab --quick --executor wasm,v8             measure a little of two executors
  isolab bench --full --out runs/today          measure for publication
  isolab serve --executor wasm                  serve the lab's functions on port 8080
  isolab invoke v8 hello --query myName=Ada     send one request to one function
  isolab load http://127.0.0.1:8080/hello       load a server
  isolab report runs/old runs/new               compare two runs
  isolab compare wasm wasm:compiler=winch       find a small difference on a noisy host

`isolab COMMAND --help` has the details of a command. ISOLAB_LOG=debug logs more; NO_COLOR turns colours off.

Exit codes:
  0    done
  1    something that was measured failed, or is not available on this machine
  2    bad input
  3    the server has ended, but a function still held its thread
  130  interrupted";

/// Measures what an isolation model costs: a Wasm instance, a V8 isolate, a container
#[derive(Debug, Parser)]
#[command(
    name = "isolab",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100,
    after_help = AFTER_HELP
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bench: bench::BenchArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure executors and write a run folder; the default command
    Bench(bench::BenchArgs),
    /// Serve functions over HTTP
    Serve(serve::ServeArgs),
    /// Send one request to one function, and print its response
    Invoke(invoke::InvokeArgs),
    /// Build the functions' Wasm modules, native servers and native libraries
    Build(build::BuildArgs),
    /// Show what this machine can run, and what to do about the rest
    Doctor,
    /// Load a server, and print its rate and its latencies
    Load(load::LoadArgs),
    /// Render the report of a run again, or compare runs
    Report(report::ReportArgs),
    /// Compare two executors, builds or functions, measured together: finds differences of a few percent
    Compare(compare::CompareArgs),
    /// Check published figures on this machine
    Reproduce(reproduce::ReproduceArgs),
    /// Serve one handler from inside a container
    #[command(hide = true)]
    Guest(guest::GuestArgs),
}

/// Runs what the command line says, and returns the exit code.
///
/// # Errors
/// As the command; [`crate::exit::code`] gives the exit code of an error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    let Cli { command, bench } = Cli::parse_from(arguments);
    match command.unwrap_or(Command::Bench(bench)) {
        Command::Bench(arguments) => bench::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Invoke(arguments) => invoke::run(arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Doctor => doctor::run(),
        Command::Load(arguments) => load::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Guest(arguments) => guest::run(arguments),
    }
}

/// The cache of `--cache`, by default that of the checkout. It is pruned here, and not while anything is measured.
fn cache(folder: Option<PathBuf>) -> Cache {
    let cache = Cache::new(folder.unwrap_or_else(|| guests::workspace().join("target/isolab-cache")));
    if let Err(error) = cache.prune(LIMIT_BYTES) {
        tracing::warn!(%error, folder = %cache.dir().display(), "the cache could not be pruned");
    }
    cache
}

/// A unique name for a run, or for what a server makes outside of its process: time and
/// process id.
fn run_id() -> String {
    format!("{}-{}", Utc::now().compact(), std::process::id())
}

/// Logs warnings to stderr, or what `ISOLAB_LOG` says in the syntax of [`EnvFilter`].
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("ISOLAB_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!is_plain && std::io::stderr().is_terminal())
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_accepts_the_definition() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_default_command_is_bench() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let cli = parse(
            "isolab --executor direct --executor wasm:compiler=winch,docker --function hello,json --quick",
        )
        .unwrap();
        assert!(cli.command.is_none());
        let executors: Vec<_> =
            cli.bench.executor.iter().flat_map(|list| &list.0).map(ToString::to_string).collect();
        assert_eq!(executors, ["direct", "wasm:compiler=winch", "docker"]);
        assert_eq!(cli.bench.function, ["hello", "json"]);
        assert!(parse("isolab bench --quick --full").is_err());
        assert!(parse("isolab --quick serve").is_err());
    }
}
