//! The tables of a report, which all renderings share.
//!
//! A table without lines is left out.

mod boundaries;
pub(crate) mod cells;
pub(crate) mod left_out;
mod load;
pub(crate) mod memory;
mod noise;
mod open;
mod overview;
mod startup;
mod users;

use crate::figures::{ComparisonTally, Figures, Group, Summary};

/// Stands in a cell without a figure.
pub(crate) const NONE: &str = "–";

/// A titled table of text; its figures are already rounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// A stable name for programs, such as `startup`.
    pub name: &'static str,
    /// The title.
    pub title: String,
    /// The names of the columns: first those with names, then those with figures.
    pub head: Vec<String>,
    /// The number of columns with names, at the left.
    pub names: usize,
    /// The lines, each as long as the head.
    pub lines: Vec<Vec<String>>,
    /// How to read it, in whole sentences; empty if that is obvious.
    pub note: String,
    /// Whether it explains other tables and can be folded away.
    pub is_detail: bool,
}

/// Tables that belong together, under one title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The title.
    pub title: String,
    /// The facts that a reader of its tables needs, in whole sentences; may be empty.
    pub lead: String,
    /// The tables; none of them is without lines.
    pub tables: Vec<Table>,
}

/// The head of a table.
pub(crate) fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The tables of a run: the overviews of all functions and variants, the boundaries, a section for each function and
/// variant, and one on noise.
pub fn sections(summary: &Summary) -> Vec<Section> {
    let mut sections = vec![overview::section(&summary.groups), boundaries::section(summary)];
    sections.extend(summary.groups.iter().map(|group| of_group(summary, group)));
    sections.push(noise::section(summary));
    sections.retain(|section| !section.tables.is_empty());
    sections
}

/// Counts the comparisons of the overviews, and those that show a difference.
pub fn tally(summary: &Summary) -> ComparisonTally {
    let mut tally = ComparisonTally::default();
    for group in &summary.groups {
        overview::comparisons(group).for_each(|comparison| tally.add(&comparison));
    }
    tally
}

/// Counts the comparisons of the A/A pairs, and those that show a difference.
pub fn tally_of_pairs(summary: &Summary) -> ComparisonTally {
    noise::tally(summary)
}

fn of_group(summary: &Summary, group: &Group) -> Section {
    let tables = [
        startup::phases(group),
        startup::answers(group),
        memory::slopes(group),
        load::best(group),
        users::highest(group),
        users::mix(group),
        load::price(summary, group),
        startup::laps(group),
        startup::tails(group),
        memory::readings(group),
        memory::density(group),
        load::every(group),
        load::resources(group),
        open::offered(group),
        open::latencies(group),
        users::contention(group),
        users::waiting(group),
        users::first_byte(group),
        load::bursts(group),
    ];
    Section {
        title: title(group),
        lead: String::new(),
        tables: tables.into_iter().filter(|table| !table.lines.is_empty()).collect(),
    }
}

fn title(group: &Group) -> String {
    format!("`{}`, variant `{}`", group.function, group.variant)
}

fn code(executor: &Figures) -> String {
    format!("`{}`", executor.name)
}
