//! `isolab report`: render a run again, or compare runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use isolab_core::spec::nearest;
use isolab_reports::compare::{self, Compared};
use isolab_reports::paired::{self, Paired};
use isolab_reports::run::Prices;
use isolab_reports::{Format, RunFolder, Summary, folder, render};

use crate::exit::{BadInput, DONE, FAILED};

const OUTPUT: &str = "Output";
const COMPARISON: &str = "Comparison";
const PRICES: &str = "Prices";

/// `isolab report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isolab report runs/today
  isolab report runs/today --print markdown
  isolab report runs/old runs/new --smallest-percent 10

Exit code 1 says that a later run is worse than the first, by more than --smallest-percent and by more than chance
explains. Verdicts are corrected for the number of comparisons.")]
pub struct ReportArgs {
    /// Run folder; further ones are compared with the first
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Formats to write: markdown, html, csv, json [default: all]
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', value_parser = format, help_heading = OUTPUT)]
    pub format: Vec<Format>,
    /// Folder to write to [default: the run folder]
    #[arg(long, value_name = "DIR", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
    /// Print this format on stdout, and write no file
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["format", "out"], value_parser = format, help_heading = OUTPUT)]
    pub print: Option<Format>,
    /// Leave out rows that cannot be read, with a warning for each
    #[arg(long, help_heading = OUTPUT)]
    pub skip_bad_rows: bool,
    /// Ignore figures that got worse by less than this
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent, help_heading = COMPARISON)]
    pub smallest_percent: f64,
    /// Price of one second of processor time [default: the run's]
    #[arg(long, value_name = "PRICE", value_parser = price, help_heading = PRICES)]
    pub price_per_cpu_second: Option<f64>,
    /// Price of one GiB of memory for one second [default: the run's]
    #[arg(long, value_name = "PRICE", value_parser = price, help_heading = PRICES)]
    pub price_per_gib_second: Option<f64>,
    /// Currency of these prices [default: the run's]
    #[arg(long, value_name = "NAME", help_heading = PRICES)]
    pub currency: Option<String>,
}

fn format(text: &str) -> Result<Format, String> {
    let names = Format::ALL.map(Format::name);
    let found = Format::ALL.into_iter().find(|format| format.name() == text);
    found.ok_or_else(|| {
        format!("there is no format `{text}`{}; there are: {}", nearest(text, &names), names.join(", "))
    })
}

fn price(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    let sensible = number.filter(|price| price.is_finite() && *price >= 0.0);
    sensible.ok_or_else(|| format!("`{text}` is not a price; write it as `0.000024`"))
}

fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim_end_matches('%').trim().parse().ok();
    let sensible = number.filter(|percent| (0.0..=1_000.0).contains(percent));
    sensible.ok_or_else(|| format!("`{text}` is not a percentage from 0 to 1000"))
}

/// Renders one run, or compares several with the first of them.
pub fn run(arguments: &ReportArgs) -> Result<u8> {
    let mut runs: Vec<_> =
        arguments.runs.iter().map(|dir| read(dir, arguments.skip_bad_rows)).collect::<Result<_>>()?;
    for run in &mut runs {
        set_prices(&mut run.run.prices, arguments);
    }
    match &runs[..] {
        [run] => match Paired::of(run).map_err(BadInput::because)? {
            Some(paired) => found(arguments, &paired, run),
            None => rendered(arguments, run),
        },
        runs if runs.iter().any(|run| run.run.comparison.is_some()) => {
            Err(BadInput::because("`isolab compare` made one of these runs: give it alone"))
        }
        runs => compared(arguments, runs),
    }
}

/// Reads a run folder. A row that cannot be read is bad input, unless it is to be left out.
fn read(dir: &Path, skip_bad_rows: bool) -> Result<RunFolder> {
    if !skip_bad_rows {
        return folder::read(dir).map_err(|error| BadInput::because(error.to_string()));
    }
    let (run, bad) = folder::read_lenient(dir).map_err(|error| BadInput::because(error.to_string()))?;
    for row in bad {
        eprintln!(
            "warning: {}:{}: {}; this row is left out",
            dir.join(folder::ROWS).display(),
            row.line,
            row.reason
        );
    }
    Ok(run)
}

/// Replaces the run's prices by those of the command line.
fn set_prices(prices: &mut Prices, arguments: &ReportArgs) {
    if arguments.price_per_cpu_second.or(arguments.price_per_gib_second).is_none() {
        return;
    }
    prices.per_cpu_second = arguments.price_per_cpu_second.unwrap_or(prices.per_cpu_second);
    prices.per_gib_second = arguments.price_per_gib_second.unwrap_or(prices.per_gib_second);
    prices.currency = arguments.currency.clone().unwrap_or_else(|| prices.currency.clone());
    prices.source = "given when this report was made".into();
}

fn rendered(arguments: &ReportArgs, run: &RunFolder) -> Result<u8> {
    let summary = Summary::of(run);
    if let Some(format) = arguments.print {
        print(&render(&summary, format))?;
        return Ok(DONE);
    }
    let dir = arguments.out.as_ref().unwrap_or(&arguments.runs[0]);
    let formats = if arguments.format.is_empty() { &Format::ALL[..] } else { &arguments.format[..] };
    let files = write(&summary, dir, formats)?;
    print(&render::terminal::render(&summary, columns()))?;
    for file in files {
        println!("{}", file.display());
    }
    Ok(DONE)
}

/// Prints the finding of a run of `isolab compare` again.
fn found(arguments: &ReportArgs, paired: &Paired, run: &RunFolder) -> Result<u8> {
    if arguments.out.is_some() || arguments.print.is_some() || !arguments.format.is_empty() {
        return Err(BadInput::because(
            "`isolab compare` made this run, whose finding is only printed: leave out --out, --print and --format",
        ));
    }
    print(&paired::words::lines(paired, &run.run).join("\n"))?;
    Ok(DONE)
}

/// Writes a run's reports into a folder, and returns their paths.
fn write(summary: &Summary, dir: &Path, formats: &[Format]) -> Result<Vec<PathBuf>> {
    let unusable = || BadInput(format!("cannot write to {}", dir.display()));
    fs::create_dir_all(dir).with_context(unusable)?;
    let write = |format: &Format| -> Result<PathBuf> {
        let path = dir.join(format.file_name());
        fs::write(&path, render(summary, *format)).with_context(unusable)?;
        Ok(path)
    };
    formats.iter().map(write).collect()
}

fn compared(arguments: &ReportArgs, runs: &[RunFolder]) -> Result<u8> {
    if arguments.out.is_some() || !arguments.format.is_empty() {
        return Err(BadInput::because(
            "a comparison is only printed: leave out --out and --format, or use --print",
        ));
    }
    let summaries: Vec<_> = runs.iter().map(Summary::of).collect();
    let compared = compare::compare(&summaries).map_err(|error| BadInput::because(error.to_string()))?;
    match arguments.print {
        None => print(&compare::table(&compared, columns()))?,
        Some(Format::Markdown) => print(&compare::markdown(&compared))?,
        Some(_) => return Err(BadInput::because("a comparison can only be printed as `markdown`")),
    }
    has_verdicts(&compared)?;
    Ok(gate(&compared, arguments.smallest_percent / 100.0))
}

/// The exit code of a comparison: failed if something got worse.
fn gate(compared: &Compared, smallest: f64) -> u8 {
    let worse = compared.worse(smallest).count();
    if worse == 0 {
        return DONE;
    }
    eprintln!("{worse} figures got worse by more than the gate allows");
    FAILED
}

/// Without a verdict, the exit code would say that nothing got worse.
fn has_verdicts(compared: &Compared) -> Result<()> {
    if compared.runs.iter().any(|run| run.tally().comparisons == 0) {
        let reason =
            "these runs cannot be compared: each needs at least two repetitions (`bench --repetitions 3`)";
        return Err(BadInput::because(reason));
    }
    Ok(())
}

/// Prints a text with one line break at its end. A closed pipe is not an error.
fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}

/// The width of the terminal in columns, if stdout is one.
pub fn columns() -> Option<u16> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0)
}
