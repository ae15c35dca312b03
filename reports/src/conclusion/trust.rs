//! How far a run can be trusted.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::sentence::{Sentence, Source, Subject, Words};
use crate::figures::{Group, Summary, of_chance};
use crate::rows::{RunStatus, Status};
use crate::statistics::CONFIDENCE;
use crate::tables;
use crate::words::units;

/// More pairs differ than chance alone would make differ in this part of all runs.
const SUSPICIOUS: f64 = 0.01;

pub(super) fn sentence(summary: &Summary, groups: &[&Group]) -> Sentence {
    if groups.iter().all(|group| group.executors.is_empty()) {
        let words = Words::default().say("draw no conclusion from this run: it has no figures");
        return Sentence::of(Subject::Trust, vec![words]);
    }
    let mut clauses = vec![repetitions(summary)];
    clauses.extend(generator(summary));
    clauses.extend(host(summary));
    clauses.push(pairs(summary));
    clauses.extend(unmeasured(summary));
    Sentence::of(Subject::Trust, clauses)
}

fn repetitions(summary: &Summary) -> Words {
    if summary.repetitions < 2 {
        return Words::default()
            .say("trust the order of magnitude and no more: one repetition cannot give verdicts");
    }
    Words::default()
        .say("the figures come from ")
        .count(summary.repetitions, Source::Repetitions)
        .say(" repetitions, each in a new server process")
}

/// The clause on a load generator that was late.
fn generator(summary: &Summary) -> Option<Words> {
    let invalid = summary.validity.cells.len();
    let words = Words::default().count(invalid, Source::InvalidCells);
    let cells = if invalid == 1 { " cell is" } else { " cells are" };
    let words = words.say(&format!("{cells} invalid, because the load generator was late by its own fault"));
    (invalid > 0).then_some(words)
}

fn host(summary: &Summary) -> Vec<Words> {
    let mut clauses = Vec::new();
    clauses.push(match &summary.calibration {
        Some(host) if host.is_drifting() => Words::default()
            .say("the host's speed drifted by ")
            .number(units::percent(host.spread), Source::Drift)
            .say(", so do not trust a smaller difference"),
        Some(host) => Words::default()
            .say("the host was steady (its speed varied by ")
            .number(units::percent(host.spread), Source::Drift)
            .say(")"),
        None => Words::default().say("the host's speed was not watched"),
    });
    let warnings = summary.run.host_warnings.len();
    if warnings > 0 {
        let things =
            if warnings == 1 { " warning about the host stands" } else { " warnings about the host stand" };
        clauses.push(Words::default().count(warnings, Source::HostWarnings).say(&format!("{things} above")));
    }
    clauses
}

/// The sentence on identical cells that were measured twice.
fn pairs(summary: &Summary) -> Words {
    let tally = tables::tally_of_pairs(summary);
    if tally.comparisons == 0 {
        return Words::default().say("no cell was measured twice, so what noise alone does is not known");
    }
    let chance = of_chance(tally.false_differences());
    let words = Words::default()
        .count(tally.differences, Source::DifferingPairs)
        .say(" of ")
        .count(tally.comparisons, Source::Pairs)
        .say(" comparisons of identical cells (A/A) show a difference, ");
    if is_suspicious(tally.differences, tally.comparisons) {
        words
            .say("which is more than the ")
            .number(chance, Source::PairsOfChance)
            .say(" that chance explains, so do not trust a small difference")
    } else {
        words.say("where chance explains about ").number(chance, Source::PairsOfChance)
    }
}

/// Whether more pairs differ than chance would explain.
fn is_suspicious(differing: usize, pairs: usize) -> bool {
    let by_chance = Binomial::new(1.0 - CONFIDENCE, pairs as u64);
    let Some(below) = differing.checked_sub(1) else { return false };
    by_chance.is_ok_and(|chance| chance.sf(below as u64) < SUSPICIOUS)
}

fn unmeasured(summary: &Summary) -> Option<Words> {
    let cells = &summary.run.cells;
    let is_missing = |status| !matches!(status, Status::Ok | Status::Skipped);
    let missing = cells.iter().filter(|cell| is_missing(cell.status)).count();
    if missing == 0 && summary.run.status == RunStatus::Complete {
        return None;
    }
    let words = match summary.run.status {
        RunStatus::Complete => Words::default(),
        RunStatus::Running => Words::default().say("the run has not ended and "),
        RunStatus::Interrupted => Words::default().say("the run was interrupted and "),
        RunStatus::Failed => Words::default().say("the run failed and "),
    };
    let words = words.count(missing, Source::UnmeasuredCells).say(" of ").count(cells.len(), Source::Cells);
    Some(words.say(" planned cells were not measured"))
}

#[cfg(test)]
mod tests {
    use super::is_suspicious;

    #[test]
    fn more_differing_pairs_than_chance_explains_are_suspicious() {
        assert!(!is_suspicious(0, 0) && !is_suspicious(1, 106) && !is_suspicious(6, 106));
        assert!(is_suspicious(30, 106) && is_suspicious(4, 9));
    }
}
