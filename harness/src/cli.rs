//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use http::{HeaderName, HeaderValue, Method};
use isolab_reports::Format;

use crate::commands;

/// More than any one thread can send.
const RATE_MAX_PER_S: u64 = 10_000_000;

/// Measures what an isolation model costs: Wasm instance, V8 isolate, container.
#[derive(Debug, Parser)]
#[command(name = "isolab", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bench: BenchArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure executors and write a run folder (what happens without a command, too)
    Bench(BenchArgs),
    /// Serve functions over HTTP
    Serve(ServeArgs),
    /// Have one function answer one request, in this process
    Invoke(InvokeArgs),
    /// Build what the functions are given to executors as
    Build(BuildArgs),
    /// Say what can run on this machine, and what to do about the rest
    Doctor,
    /// Send requests to a server and say how it answers
    Load(LoadArgs),
    /// Render a run again, or compare runs
    Report(ReportArgs),
    /// Measure what others published figures of, and say which of them hold here
    Reproduce(ReproduceArgs),
}

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

/// `isolab serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Executors; the first answers where a request names none [default: all that this machine can run]
    #[arg(long, value_name = "SPEC")]
    pub executor: Vec<String>,
    /// The variant of all functions [default: the first that the executor can run]
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// When an instance is used again: `fresh`, `warm`, `reuse:N`
    #[arg(long, value_name = "POLICY", default_value = "warm")]
    pub reuse: String,
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// More functions: a folder of them and of WASI commands `{name}.wasm`, or one of either
    #[arg(long, value_name = "DIR")]
    pub functions: Vec<PathBuf>,
    /// Threads that serve connections and run functions [default: one a processor]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Add the pages that experiments need, with one worker
    #[arg(long)]
    pub control: bool,
    /// Where artifacts are kept
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Marks what this server makes outside of its process
    #[arg(long, hide = true)]
    pub run_id: Option<String>,
    /// Keep the server on one processor
    #[arg(long, value_name = "N", hide = true)]
    pub cpu: Option<usize>,
    /// End when this process, the parent, ends
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<u32>,
}

/// `isolab invoke`.
#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// The executor, with its settings
    pub spec: String,
    /// A function's name or path
    pub function: String,
    /// The variant [default: the first that the executor can run]
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// A pair of the query
    #[arg(long, value_name = "K=V")]
    pub query: Vec<String>,
    /// The body of a POST; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT|@FILE")]
    pub data: Option<String>,
    /// Where artifacts are kept
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// `isolab build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Functions by name or path [default: all of the lab's]
    #[arg(long, value_name = "NAME|PATH", value_delimiter = ',')]
    pub function: Vec<String>,
}

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

/// `isolab report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of a run; of several, all are compared with the first, and the exit code is 1
    /// if something got worse
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Forms to write: markdown, html, csv, json [default: all]
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', value_parser = format)]
    pub format: Vec<Format>,
    /// Where to write [default: into the run's folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print this form on stdout and write nothing
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["format", "out"], value_parser = format)]
    pub print: Option<Format>,
    /// In a comparison, count only what got worse by this much
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent)]
    pub smallest_percent: f64,
    /// Leave out rows that cannot be read, with a warning for each
    #[arg(long)]
    pub skip_bad_rows: bool,
    /// Derive costs from this price of a second of processor time [default: the run's]
    #[arg(long, value_name = "PRICE", value_parser = price)]
    pub price_per_cpu_second: Option<f64>,
    /// Derive costs from this price of a GiB held for a second [default: the run's]
    #[arg(long, value_name = "PRICE", value_parser = price)]
    pub price_per_gib_second: Option<f64>,
    /// The currency of these prices
    #[arg(long, value_name = "NAME")]
    pub currency: Option<String>,
}

/// `isolab load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// What to ask for, over plain HTTP
    pub url: String,
    /// Connections; without --rate, each sends its next request when it has its answer
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Requests a second, sent when they are due and not when the last is answered; latency counts from when one was due
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<NonZeroU64>,
    /// How requests are spread over time
    #[arg(long, value_name = "HOW", default_value = "constant", requires = "rate")]
    pub arrivals: Spread,
    /// Decides the intervals of `--arrivals poisson` [default: at random]
    #[arg(long, value_name = "N", requires = "rate")]
    pub seed: Option<u64>,
    /// Requests that may wait for a connection; more are dropped
    #[arg(long, value_name = "N", default_value = "10000", requires = "rate", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub queue: u32,
    /// Never sleep: more exact, and takes a processor of its own
    #[arg(long)]
    pub spin: bool,
    /// How long: `500ms`, `10s`, `2m`
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// The method [default: GET, with --data POST]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<Method>,
    /// A header
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// The body; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT|@FILE")]
    pub data: Option<String>,
}

/// How requests at a rate are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spread {
    /// One interval between any two
    Constant,
    /// At random, as users come who do not know of each other
    Poisson,
}

/// Runs what the command line says, and answers the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    let Cli { command, bench } = Cli::parse_from(arguments);
    match command.unwrap_or(Command::Bench(bench)) {
        Command::Bench(arguments) => commands::bench::run(&arguments),
        Command::Serve(arguments) => commands::serve::run(&arguments),
        Command::Invoke(arguments) => commands::invoke::run(&arguments),
        Command::Build(arguments) => commands::build::run(&arguments),
        Command::Doctor => commands::doctor::run(),
        Command::Load(arguments) => commands::load::run(&arguments),
        Command::Report(arguments) => commands::report::run(&arguments),
        Command::Reproduce(arguments) => commands::reproduce::run(&arguments),
    }
}

fn format(text: &str) -> Result<Format, String> {
    let names = Format::ALL.map(Format::name);
    let found = Format::ALL.into_iter().find(|format| format.name() == text);
    found.ok_or_else(|| format!("`{text}` is no form of report; there are {}", names.join(", ")))
}

fn price(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    let sensible = number.filter(|price| price.is_finite() && *price >= 0.0);
    sensible.ok_or_else(|| format!("`{text}` is no price; write it as `0.000024`"))
}

fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim_end_matches('%').trim().parse().ok();
    let sensible = number.filter(|percent| (0.0..=1_000.0).contains(percent));
    sensible.ok_or_else(|| format!("`{text}` is no percentage from 0 to 1000"))
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let form = || format!("`{text}` is no duration; write it as `500ms`, `10s` or `2m`");
    let number: u64 = number.parse().map_err(|_| form())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    let duration = Duration::from_millis(milliseconds.ok_or_else(form)?);
    let is_sensible = !duration.is_zero() && duration <= Duration::from_hours(24);
    is_sensible.then_some(duration).ok_or_else(|| format!("`{text}` is not between 1ms and a day"))
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let rate = text.parse().ok().filter(|rate: &NonZeroU64| rate.get() <= RATE_MAX_PER_S);
    rate.ok_or_else(|| format!("`{text}` is no whole number of requests a second from 1 to {RATE_MAX_PER_S}"))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is no `Name: value`"))?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no header's name"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is no header's value"))?;
    Ok((name, value))
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

    #[test]
    fn a_rate_is_a_whole_number_above_zero() {
        assert_eq!(rate("5"), Ok(NonZeroU64::new(5).unwrap()));
        for text in ["", "0", "-1", "1.5", "5/s", "10000001", "99999999999999999999"] {
            assert!(rate(text).is_err(), "{text}");
        }
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("isolab load http://a --rate 5 --arrivals poisson --seed 1 --queue 0").is_ok());
        for alone in ["--arrivals poisson", "--seed 1", "--queue 5"] {
            assert!(parse(&format!("isolab load http://a {alone}")).is_err(), "{alone} needs a rate");
        }
    }

    #[test]
    fn durations_have_a_unit_and_bounds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["", "5", "s", "-1s", "1.5s", "0s", "2000m", "99999999999999999999s", "5h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(header("x-a: b").is_ok());
        assert!(header("x-a").is_err() && header("a b: c").is_err());
    }
}
