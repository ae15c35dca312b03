//! `isolab report`: render a run again, or compare runs.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use isolab_reports::compare::{self, Compared};
use isolab_reports::run::Prices;
use isolab_reports::{Format, RunFolder, Summary, folder, render};

use crate::exit::{BadInput, DONE, FAILED};

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

/// Renders one run, or compares several with the first of them.
pub fn run(arguments: &ReportArgs) -> Result<u8> {
    let mut runs: Vec<_> =
        arguments.runs.iter().map(|dir| read(dir, arguments.skip_bad_rows)).collect::<Result<_>>()?;
    for run in &mut runs {
        set_prices(&mut run.run.prices, arguments);
    }
    match &runs[..] {
        [run] => rendered(arguments, run),
        runs => compared(arguments, runs),
    }
}

/// Reads a run. A row that is none is bad input, unless it is to be left out.
fn read(dir: &Path, skip_bad_rows: bool) -> Result<RunFolder> {
    if !skip_bad_rows {
        return folder::read(dir).map_err(|error| BadInput::because(error.to_string()));
    }
    let (run, bad) = folder::read_lenient(dir).map_err(|error| BadInput::because(error.to_string()))?;
    for row in bad {
        eprintln!("warning: {}:{}: {}; left out", dir.join(folder::ROWS).display(), row.line, row.reason);
    }
    Ok(run)
}

/// Puts the prices that were asked for in the place of the run's.
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
        print(&render(run, &summary, format))?;
        return Ok(DONE);
    }
    let dir = arguments.out.as_ref().unwrap_or(&arguments.runs[0]);
    let formats = if arguments.format.is_empty() { &Format::ALL[..] } else { &arguments.format[..] };
    let files = write(run, &summary, dir, formats)?;
    print(&render::terminal::render(&summary, columns()))?;
    for file in files {
        println!("{}", file.display());
    }
    Ok(DONE)
}

/// Writes a run's reports into a folder, and answers their paths.
fn write(run: &RunFolder, summary: &Summary, dir: &Path, formats: &[Format]) -> Result<Vec<PathBuf>> {
    let unusable = || BadInput(format!("{} cannot be written", dir.display()));
    fs::create_dir_all(dir).with_context(unusable)?;
    let write = |format: &Format| -> Result<PathBuf> {
        let path = dir.join(format.file_name());
        fs::write(&path, render(run, summary, *format)).with_context(unusable)?;
        Ok(path)
    };
    formats.iter().map(write).collect()
}

fn compared(arguments: &ReportArgs, runs: &[RunFolder]) -> Result<u8> {
    if arguments.out.is_some() || !arguments.format.is_empty() {
        return Err(BadInput::because("a comparison is printed and not written; see --print"));
    }
    let summaries: Vec<_> = runs.iter().map(Summary::of).collect();
    let compared = compare::compare(&summaries).map_err(|error| BadInput::because(error.to_string()))?;
    match arguments.print {
        None => print(&compare::table(&compared, columns()))?,
        Some(Format::Markdown) => print(&compare::markdown(&compared))?,
        Some(_) => return Err(BadInput::because("a comparison can be printed as `markdown` only")),
    }
    has_verdicts(&compared)?;
    Ok(gate(&compared, arguments.smallest_percent / 100.0))
}

/// The exit code for a CI: failed if something got worse.
fn gate(compared: &Compared, smallest: f64) -> u8 {
    let worse = compared.worse(smallest).count();
    if worse == 0 {
        return DONE;
    }
    eprintln!("{worse} figures got worse");
    FAILED
}

/// A gate that cannot close is none.
fn has_verdicts(compared: &Compared) -> Result<()> {
    if compared.runs.iter().any(|run| run.tally().comparisons == 0) {
        let reason =
            "no verdict can be told: both runs need two repetitions or more (`bench --repetitions 3`)";
        return Err(BadInput::because(reason));
    }
    Ok(())
}

/// Prints a text that ends with one line break. A reader who has seen enough is no error.
fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("stdout cannot be written"),
    }
}

/// The width of the terminal, if stdout is one.
pub fn columns() -> Option<u16> {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.filter(|_| std::io::stdout().is_terminal())
}
