//! How to read a report: the cells that it holds, and the meaning of its intervals and verdicts.

use std::collections::BTreeSet;

use crate::figures::{ComparisonTally, Summary};
use crate::tables;
use crate::words::facts::counted;
use crate::words::units;

/// The cells of a run, and the comparisons that are valid.
pub(crate) fn subject(summary: &Summary) -> String {
    let functions: BTreeSet<&str> = summary.groups.iter().map(|group| group.function.as_str()).collect();
    let variants: BTreeSet<&str> = summary.groups.iter().map(|group| group.variant.as_str()).collect();
    let executors: BTreeSet<&str> =
        summary.groups.iter().flat_map(|group| &group.executors).map(|one| one.spec.as_str()).collect();
    let compared = if variants.len() > 1 {
        " Compare executors within one variant only: the variants differ in language."
    } else {
        ""
    };
    format!(
        "{}, {} and {} behind one HTTP front end, begun {}. Every executor got the same requests. The \
         answers of a function with cases were compared byte by byte with the expected ones, before and \
         during the measurement.{compared}",
        counted(functions.len(), "function"),
        counted(variants.len(), "variant"),
        counted(executors.len(), "executor"),
        summary.run.started
    )
}

/// The meaning of intervals and verdicts in this run, and how many of them chance alone would give.
pub(crate) fn certainty(summary: &Summary) -> String {
    format!("{} {}", verdicts(summary), percentiles(summary))
}

/// Which answers a percentile of latencies is of.
fn percentiles(summary: &Summary) -> &'static str {
    if summary.has_distributions {
        "A percentile of latencies is that of all answers of a repetition together, and the figure is the mean over \
         the repetitions."
    } else {
        "This run kept percentiles of single windows and no distributions: a percentile of latencies is the median over \
         the windows, and stands only where each window alone has enough answers."
    }
}

fn verdicts(summary: &Summary) -> String {
    if summary.repetitions < 2 {
        return "Brackets hold 95 % confidence intervals. There was one repetition, so they know the noise \
                within one server process. Another process may differ by more. The report therefore \
                shows ratios and no verdicts. Two repetitions or more are needed for a verdict."
            .to_owned();
    }
    let pairs = match tables::tally_of_pairs(summary) {
        ComparisonTally { comparisons: 0, .. } => {
            "No cell was measured twice, so it is not known what noise alone does.".to_owned()
        }
        tally => format!("Identical cells were compared too (A/A), each for itself: {tally}."),
    };
    format!(
        "Brackets hold 95 % confidence intervals. A ratio has only the digits that its interval supports. A verdict \
         such as `faster` or `more` means that chance explains the ratio in fewer than {} of runs of equals: 5 %, \
         corrected for the number of comparisons (Benjamini and Hochberg, false discovery rate 5 %). The percentage \
         behind `no difference seen` is the smallest difference that four of five such runs would show. The run has \
         {} repetitions, each in a new server process. The overviews make {}. {pairs}",
        units::percent(summary.level()),
        summary.repetitions,
        tables::tally(summary).corrected()
    )
}
