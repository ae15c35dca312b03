//! Charts, tables and exports of one run say the same: every number that a chart shows is
//! looked up in the list of figures, or in the rows where the chart shows single samples.

mod charts;

use std::collections::BTreeMap;
use std::path::Path;

use isolab_reports::figures::Settings;
use isolab_reports::render::html;
use isolab_reports::render::json::{Export, Exported};
use isolab_reports::row::HOST;
use isolab_reports::tables::{self, Section};
use isolab_reports::{Format, RunFolder, RunStatus, Status, Summary, folder, render};

use crate::fixture;
use crate::page::document::{self, ChartTable, Document};
use crate::page::sample;

/// A run as its page and its export show it.
struct Shown<'a> {
    folder: &'a RunFolder,
    summary: Summary,
    /// By group, a function and a variant, and by the executor's name.
    figures: BTreeMap<(String, String), Vec<Exported>>,
    sections: Vec<Section>,
    charts: Vec<ChartTable>,
}

/// A number of a chart's table: what it is of, and its text.
struct Number<'a> {
    /// Function and variant.
    group: &'a str,
    executor: &'a str,
    text: &'a str,
}

impl<'a> Shown<'a> {
    fn of(folder: &'a RunFolder) -> Self {
        let summary = Summary::of(folder);
        let page = html::render(&summary);
        assert_eq!(Document::parse(&page).errors, Vec::<String>::new());
        let mut figures: BTreeMap<_, Vec<Exported>> = BTreeMap::new();
        for figure in Export::of(&summary).figures.into_iter().filter(|figure| !figure.twin) {
            let group = format!("{} · {}", figure.function, figure.variant);
            let executor = summary.short_name(&figure.executor).to_owned();
            figures.entry((group, executor)).or_default().push(figure);
        }
        let sections = tables::sections(&summary);
        Self { folder, summary, figures, sections, charts: document::charts(&page) }
    }

    /// The figures of a name that an executor has for a function and a variant.
    fn named<'b>(
        &'b self,
        group: &str,
        executor: &str,
        name: &str,
    ) -> impl Iterator<Item = &'b Exported> + use<'b> {
        let of_executor = self.figures.get(&(group.to_owned(), executor.to_owned()));
        let name = name.to_owned();
        of_executor.into_iter().flatten().filter(move |figure| figure.figure == name)
    }

    fn figure(&self, of: &Number<'_>, name: &str, settings: &Settings) -> &Exported {
        let found = self.named(of.group, of.executor, name).find(|figure| figure.settings == *settings);
        found.unwrap_or_else(|| panic!("there is no {name} ({settings}) of {} {}", of.group, of.executor))
    }

    /// The number is that figure, without its interval.
    fn is(&self, number: &Number<'_>, name: &str, settings: &Settings) {
        let figure = self.figure(number, name, settings);
        let context = format!("{name} ({settings}) of {} {}", number.group, number.executor);
        assert_eq!(number.text, value(figure), "{context}");
    }

    /// The number is that figure, with its interval.
    fn is_with_interval(&self, number: &Number<'_>, name: &str, settings: &Settings) {
        let figure = self.figure(number, name, settings);
        let context = format!("{name} ({settings}) of {} {}", number.group, number.executor);
        assert_eq!(number.text, with_interval(figure), "{context}");
    }

    /// The settings under which an executor had its highest rate.
    fn best(&self, of: &Number<'_>, reuse: &str) -> Settings {
        let rates = self.named(of.group, of.executor, "load_rate");
        let rates = rates.filter(|rate| rate.settings.reuse.as_deref() == Some(reuse));
        let best = rates.max_by(|a, b| a.estimate.estimate.total_cmp(&b.estimate.estimate));
        best.unwrap_or_else(|| panic!("{} {} has no rate", of.group, of.executor)).settings.clone()
    }

    /// Every value that a setting of a phase has in this run under a reuse policy.
    fn settings_of(&self, phase: &str, reuse: &str, of: fn(&Settings) -> Option<u64>) -> Vec<u64> {
        let figures = self.figures.values().flatten().filter(|figure| figure.figure.starts_with(phase));
        let figures = figures.filter(|figure| figure.settings.reuse.as_deref() == Some(reuse));
        figures.filter_map(|figure| of(&figure.settings)).collect()
    }

    /// Checks every number of every chart, and answers how many there were.
    fn check(&self) -> usize {
        self.check_best_rates();
        self.charts.iter().map(|chart| self.check_chart(chart)).sum()
    }

    fn check_chart(&self, chart: &ChartTable) -> usize {
        let id = chart.figure.as_str();
        match id {
            "glance" => check_columns(chart, |of, line| self.check_glance(chart, of, line)),
            "cold" => check_columns(chart, |of, line| self.check_cold(of, line)),
            "twins" => check_columns(chart, |of, _| self.check_twins(chart, of)),
            "boundaries-costs" => check_lines(chart, |line| self.check_boundary(line)),
            "growth" => self.check_growth(chart),
            "calibration" => self.check_calibration(chart),
            "first-answer" => check_lines(chart, |line| {
                let of = Number { group: &line[0], executor: &line[1], text: &line[3] };
                self.check_first_answer(&of, &line[2]);
            }),
            _ if id.starts_with("cpu-") => check_lines(chart, |line| {
                let of = Number { group: &line[0], executor: &line[1], text: &line[3] };
                self.check_cpu(&of, &line[2], &id[4..]);
            }),
            _ => check_lines(chart, |line| {
                let name = line[1].trim_end_matches(" (could not keep up)");
                let (executor, name) = name.split_once(' ').unwrap_or((name, ""));
                self.check_point(id, &Number { group: &line[0], executor, text: &line[3] }, name, &line[2]);
            }),
        }
    }
}

/// Calls `check` with every cell of a table whose columns are executors, and with the name of
/// the cell's line; answers how many there were.
fn check_columns(chart: &ChartTable, check: impl Fn(&Number<'_>, &str)) -> usize {
    let names = usize::from(chart.head[0] == "panel") + 1;
    let mut count = 0;
    for line in &chart.lines {
        let group = if names == 2 { &line[0] } else { &chart.title };
        for (executor, text) in chart.head.iter().zip(line).skip(names).filter(|(_, text)| *text != "–") {
            check(&Number { group, executor, text }, &line[names - 1]);
            count += 1;
        }
    }
    count
}

fn check_lines(chart: &ChartTable, check: impl Fn(&[String])) -> usize {
    chart.lines.iter().for_each(|line| check(line));
    chart.lines.len()
}

fn value(figure: &Exported) -> String {
    figure.unit.show(figure.estimate.estimate)
}

fn with_interval(figure: &Exported) -> String {
    match (figure.estimate.low, figure.estimate.high) {
        (Some(low), Some(high)) if low > 0.0 && high > 10.0 * low => {
            format!("{} [uncertain by more than 10×]", value(figure))
        }
        (Some(low), Some(high)) => {
            format!("{} [{}, {}]", value(figure), figure.unit.show(low), figure.unit.show(high))
        }
        _ => value(figure),
    }
}

#[test]
fn charts_and_tables_of_the_fixture_agree() {
    let folder = fixture::rows::folder();
    let shown = Shown::of(&folder);
    let count = shown.check();
    assert!(count > 150, "{count} numbers");
}

#[test]
fn charts_and_tables_of_the_sample_agree() {
    let folder = sample::folder(1);
    let shown = Shown::of(&folder);
    let count = shown.check();
    assert!(count > 3_500, "{count} numbers");
}

#[test]
fn charts_and_tables_of_the_published_run_agree() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("published/2026-11-26-epyc-vm");
    let folder = folder::read(&dir).unwrap();
    let shown = Shown::of(&folder);
    let count = shown.check();
    assert!(count > 2_000, "{count} numbers");
}

/// The fixture, changed.
fn changed(change: impl FnOnce(&mut RunFolder)) -> RunFolder {
    let mut folder = fixture::rows::folder();
    change(&mut folder);
    folder
}

#[test]
fn charts_and_tables_of_a_poor_run_agree() {
    let spec = fixture::rows::WASM;
    for (name, folder, has_numbers) in [
        ("one repetition", changed(|folder| folder.rows.retain(|row| row.repetition == 0)), true),
        ("no rows", changed(|folder| folder.rows.clear()), false),
        ("one executor", changed(|folder| folder.rows.retain(|row| row.executor == spec)), true),
        (
            "a failed cell",
            changed(|folder| {
                folder.rows.retain(|row| row.executor != spec || row.phase != "load");
                for cell in folder.run.cells.iter_mut().filter(|cell| cell.executor == spec) {
                    (cell.status, cell.reason) = (Status::Failed, Some("it did not answer".into()));
                }
            }),
            true,
        ),
        (
            "an interrupted run",
            changed(|folder| {
                folder.run.status = RunStatus::Interrupted;
                // In the middle of a block, and of a window's rows.
                let half = folder.rows.len() / 2 + 3;
                folder.rows.truncate(half);
            }),
            true,
        ),
        ("only the host", changed(|folder| folder.rows.retain(|row| row.executor == HOST)), true),
    ] {
        let shown = Shown::of(&folder);
        assert_eq!(shown.check() > 0, has_numbers, "{name}");
        for format in Format::ALL {
            let text = render(&shown.summary, format);
            assert!(!text.is_empty() && !text.contains("NaN"), "{name}, {format:?}");
        }
    }
}
