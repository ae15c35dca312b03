//! The tables of a report: what Markdown, the page and any other rendering show.
//!
//! A table is left out where a run has nothing for it.

pub(crate) mod cells;
mod load;
mod memory;
mod noise;
mod open;
mod overview;
mod startup;

use crate::figures::{ComparisonTally, Figures, Group, Summary};

/// What stands where there is no figure.
pub(crate) const NONE: &str = "–";

/// A titled table of text, its figures rounded already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// A name for machines that stays the same, such as `startup`.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub title: String,
    /// The names of the columns; the first ones name things, all others hold figures.
    pub head: Vec<String>,
    /// How many columns at the left name things.
    pub names: usize,
    /// The lines, each as long as the head.
    pub lines: Vec<Vec<String>>,
    /// What must be known to read it, in whole sentences; empty if nothing.
    pub note: String,
    /// Whether it explains others and can be folded away.
    pub is_detail: bool,
}

/// Tables that belong together, under one title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// What they are about.
    pub title: String,
    /// The tables; none of them is without lines.
    pub tables: Vec<Table>,
}

/// The head of a table.
pub(crate) fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The tables of a run: the overviews of all functions and variants, a section for each of
/// them, and one on noise.
pub fn sections(summary: &Summary) -> Vec<Section> {
    let mut sections = vec![overview::section(&summary.groups)];
    sections.extend(summary.groups.iter().map(|group| of_group(summary, group)));
    sections.push(noise::section(summary));
    sections.retain(|section| !section.tables.is_empty());
    sections
}

/// How many comparisons the overviews make, and how many of them show a difference.
pub fn tally(summary: &Summary) -> ComparisonTally {
    let mut tally = ComparisonTally::default();
    for group in &summary.groups {
        overview::comparisons(group).for_each(|comparison| tally.add(&comparison));
    }
    tally
}

/// How many comparisons the A/A pairs make, and how many of them show a difference.
pub fn tally_of_pairs(summary: &Summary) -> ComparisonTally {
    noise::tally(summary)
}

fn of_group(summary: &Summary, group: &Group) -> Section {
    let tables = [
        startup::phases(group),
        startup::answers(group),
        memory::slopes(group),
        load::best(group),
        load::price(summary, group),
        startup::laps(group),
        startup::tails(group),
        memory::readings(group),
        memory::density(group),
        load::every(group),
        load::resources(group),
        open::offered(group),
        open::latencies(group),
        load::bursts(group),
    ];
    Section {
        title: title(group),
        tables: tables.into_iter().filter(|table| !table.lines.is_empty()).collect(),
    }
}

fn title(group: &Group) -> String {
    format!("`{}`, variant `{}`", group.function, group.variant)
}

fn code(executor: &Figures) -> String {
    format!("`{}`", executor.name)
}
