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

use crate::Summary;
use crate::grid::Section;
use crate::summary::{Figures, Group};
use crate::verdict::Tally;

/// The tables of a run: the overviews of all functions and variants, a section for each of
/// them, and one on noise.
pub fn sections(summary: &Summary) -> Vec<Section> {
    let mut sections = vec![overview::section(&summary.groups)];
    sections.extend(summary.groups.iter().map(|group| of_group(summary, group)));
    sections.push(noise::section(summary));
    sections.retain(|section| !section.grids.is_empty());
    sections
}

/// How many comparisons the overviews make, and how many of them show a difference.
pub fn tally(summary: &Summary) -> Tally {
    let mut tally = Tally::default();
    for group in &summary.groups {
        overview::comparisons(group).for_each(|comparison| tally.add(&comparison));
    }
    tally
}

/// How many comparisons the A/A pairs make, and how many of them show a difference.
pub fn tally_of_pairs(summary: &Summary) -> Tally {
    noise::tally(summary)
}

fn of_group(summary: &Summary, group: &Group) -> Section {
    let grids = [
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
    Section { title: title(group), grids: grids.into_iter().filter(|grid| !grid.lines.is_empty()).collect() }
}

fn title(group: &Group) -> String {
    format!("`{}`, variant `{}`", group.function, group.variant)
}

fn code(model: &Figures) -> String {
    format!("`{}`", model.executor)
}
