//! The noise of the run: A/A pairs, and the host itself.

use super::cells::{figure, ratio, verdict};
use super::code;
use super::{Section, Table, head};
use crate::figures::{Calibration, ComparisonTally, DRIFT, Summary};
use crate::words::units;

pub(super) fn section(summary: &Summary) -> Section {
    let tables = [host(summary), pairs(summary)];
    Section {
        title: "Noise".into(),
        lead: String::new(),
        tables: tables.into_iter().filter(|table| !table.lines.is_empty()).collect(),
    }
}

/// Identical cells compared with each other.
fn pairs(summary: &Summary) -> Table {
    let mut lines = Vec::new();
    for group in &summary.groups {
        for executor in &group.executors {
            for (first, second, comparison) in executor.pairs() {
                lines.push(vec![
                    format!("{} {}", group.function, group.variant),
                    code(executor),
                    [first.name.clone(), first.settings.to_string()].join(" ").trim().to_owned(),
                    figure(Some(first)),
                    figure(Some(second)),
                    ratio(comparison.ratio),
                    verdict(&comparison),
                ]);
            }
        }
    }
    Table {
        name: "pairs",
        title: "A/A pairs: identical cells against each other".into(),
        head: head(&["function", "executor", "figure", "first", "second", "ratio", "verdict"]),
        names: 3,
        note: format!(
            "Each pair is one cell that the run measured twice, as if it were two: {}.",
            tally(summary)
        ),
        lines,
        is_detail: true,
    }
}

pub(super) fn tally(summary: &Summary) -> ComparisonTally {
    let mut tally = ComparisonTally::default();
    for executor in summary.groups.iter().flat_map(|group| &group.executors) {
        executor.pairs().for_each(|(_, _, comparison)| tally.add(&comparison));
    }
    tally
}

/// The calibration loop between the blocks.
fn host(summary: &Summary) -> Table {
    let line = |host: &Calibration| {
        vec![
            host.blocks_ns.len().to_string(),
            units::duration(host.median_ns),
            units::percent(host.spread),
            units::percent(host.trend),
            if host.is_drifting() { "drifted" } else { "steady" }.to_owned(),
        ]
    };
    Table {
        name: "host",
        title: "The host: a calibration loop between the cells".into(),
        head: head(&["blocks", "median", "spread", "last third against the first", "the host's speed"]),
        names: 1,
        lines: summary.calibration.as_ref().map(line).into_iter().collect(),
        note: format!(
            "The spread reaches from the 5th to the 95th percentile, as a percentage of the median. Beyond {} the \
             host drifted: the host itself may cause differences of that size.",
            units::percent(DRIFT)
        ),
        is_detail: false,
    }
}
