//! The command line: one module for each command.

pub mod bench;
pub mod build;
pub mod doctor;
pub mod invoke;
pub mod load;
pub mod report;
pub mod reproduce;
pub mod serve;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::{Parser, Subcommand};
use isolab_core::{Cache, Variant, guest};
use tracing_subscriber::EnvFilter;

use crate::exit::BadInput;
use crate::run::utc::Utc;

/// Measures what an isolation model costs: Wasm instance, V8 isolate, container.
#[derive(Debug, Parser)]
#[command(name = "isolab", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bench: bench::BenchArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure executors and write a run folder (what happens without a command, too)
    Bench(bench::BenchArgs),
    /// Serve functions over HTTP
    Serve(serve::ServeArgs),
    /// Have one function answer one request, in this process
    Invoke(invoke::InvokeArgs),
    /// Build the functions' Wasm modules and native servers
    Build(build::BuildArgs),
    /// Say what can run on this machine, and what to do about the rest
    Doctor,
    /// Send requests to a server and say how it answers
    Load(load::LoadArgs),
    /// Render a run again, or compare runs
    Report(report::ReportArgs),
    /// Measure what others published figures of, and say which of them hold here
    Reproduce(reproduce::ReproduceArgs),
}

/// Runs what the command line says, and answers the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    let Cli { command, bench } = Cli::parse_from(arguments);
    match command.unwrap_or(Command::Bench(bench)) {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Invoke(arguments) => invoke::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Doctor => doctor::run(),
        Command::Load(arguments) => load::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
    }
}

/// The cache of this command: the one asked for, else the checkout's.
fn cache(asked: Option<&PathBuf>) -> Cache {
    Cache::new(asked.cloned().unwrap_or_else(|| guest::workspace().join("target/isolab-cache")))
}

/// A body as given by `--data`: a text, or `@` and a file.
fn data(asked: &str) -> Result<Bytes> {
    match asked.strip_prefix('@') {
        None => Ok(Bytes::copy_from_slice(asked.as_bytes())),
        Some(path) => std::fs::read(path).map(Bytes::from).with_context(|| format!("{path} cannot be read")),
    }
}

pub(crate) fn variant(asked: &str) -> Result<Variant> {
    asked.parse().map_err(|reason: String| BadInput::because(reason))
}

/// Names a run, or what a server makes outside of its process, by time and process:
/// no two are the same.
fn run_id() -> String {
    format!("{}-{}", Utc::now().compact(), std::process::id())
}

/// Shows warnings on stderr; more with `ISOLAB_LOG=debug`, in the syntax of
/// [`EnvFilter`].
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
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_is_bench() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let cli =
            parse("isolab --executor v8 --executor wasm:a=b,docker --function hello,json --quick").unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.bench.executor, ["v8", "wasm:a=b,docker"]);
        assert_eq!(cli.bench.function, ["hello", "json"]);
        assert!(parse("isolab bench --quick --full").is_err());
        assert!(parse("isolab --quick serve").is_err());
    }
}
