//! The costs of each boundary and the attempts that it confines: the tables, the exports and the chart.

use isolab_reports::figures::Outcome;
use isolab_reports::row::Attempt;
use isolab_reports::{Format, RunFolder, Summary, render, tables};

use crate::fixture::rows::{DOCKER, WASM, folder};
use crate::page::document::charts;

fn table(folder: &RunFolder, name: &str) -> Option<tables::Table> {
    let sections = tables::sections(&Summary::of(folder));
    sections.into_iter().flat_map(|section| section.tables).find(|table| table.name == name)
}

/// The panel of the chart: which executors it names below, and why.
fn left_out(folder: &RunFolder) -> Vec<String> {
    let page = render(&Summary::of(folder), Format::Html);
    let chart = charts(&page).into_iter().find(|chart| chart.figure == "boundaries-costs");
    chart.expect("the page has the chart").notes.into_iter().map(|(_, note)| note.trim().to_owned()).collect()
}

#[test]
fn every_attempt_has_a_word_and_a_failed_one_a_reason() {
    let table = table(&folder(), "confinement").unwrap();
    let words: Vec<_> = table.lines.iter().map(|line| line[2..].join(" ")).collect();
    assert_eq!(words, ["yes yes yes yes yes yes", "no no no no no no", "no no no no no failed"]);
    assert!(table.note.ends_with("`docker` (`rust`) failed: the guest was killed."), "{}", table.note);
}

#[test]
fn the_table_of_costs_says_what_each_boundary_confines() {
    let table = table(&folder(), "boundaries").unwrap();
    assert_eq!(table.head.len(), 5 + Attempt::ALL.len());
    assert!(table.lines.iter().any(|line| line[0] == "`wasm`" && line[5..].iter().all(|cell| cell == "no")));
    let mut without = folder();
    without.rows.retain(|row| row.phase != "confinement");
    let table = self::table(&without, "boundaries").unwrap();
    assert_eq!(table.head.len(), 5, "a run without attempts has no empty columns");
    assert!(self::table(&without, "confinement").is_none());
}

#[test]
fn an_attempt_that_failed_is_not_exported_as_a_number() {
    let summary = Summary::of(&folder());
    let of = |spec: &str| summary.groups[0].executors.iter().find(|executor| executor.spec == spec).unwrap();
    let values = |spec: &str| -> Vec<f64> {
        let figures = of(spec).figures.iter().filter(|figure| figure.name.starts_with("confinement_"));
        figures.map(|figure| figure.estimate.value).collect()
    };
    assert_eq!((values("direct"), values(WASM)), (vec![1.0; 6], vec![0.0; 6]));
    assert_eq!(values(DOCKER), [0.0; 5]);
    assert!(matches!(of(DOCKER).confinement[&Attempt::StartProcesses], Outcome::Failed(_)));
    assert!(render(&summary, Format::Csv).contains("confinement_start_processes,count,1"));
}

#[test]
fn an_executor_without_a_mark_is_named_with_the_reason() {
    let notes = left_out(&folder());
    assert!(notes.contains(&"v8 is left out: the V8 library is not compiled in".to_owned()), "{notes:?}");
    assert!(notes.contains(&"direct is left out: the run has no memory of it".to_owned()), "{notes:?}");
    let mut slow = folder();
    slow.rows.retain(|row| row.executor != DOCKER || row.phase == "start");
    let notes = left_out(&slow);
    let expected = "docker is left out: the run has no memory and no throughput of it";
    assert!(notes.contains(&expected.to_owned()), "{notes:?}");
}

#[test]
fn the_reason_for_leaving_virtual_machines_out_is_that_of_the_machine() {
    let reason = |virtualisation: Option<&str>| {
        let mut folder = folder();
        folder.run.machine.extend(virtualisation.map(|it| ("virtualisation".to_owned(), it.into())));
        let report = render(&Summary::of(&folder), Format::Markdown);
        let line = report.lines().find(|line| line.starts_with("| microVMs")).map(str::to_owned);
        line.expect("the table of what is left out has them")
    };
    assert!(reason(Some("none")).contains("this machine offers none"));
    assert!(reason(Some("paravirtual")).contains("an unmodified guest would not run"));
    assert!(reason(Some("hardware")).contains("This machine offers"));
    assert!(reason(None).contains("does not say"));
}
