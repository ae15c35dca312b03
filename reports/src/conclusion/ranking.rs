//! Executors of one group in the order of one figure, and what that order is worth.

use std::cmp::Ordering;

use super::sentence::One;
use crate::figures::{Figure, Figures, Group, Summary, Verdict};
use crate::rows::{Cell, Status};
use crate::statistics::Ratio;

/// A figure that executors are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The median of `start`.
    Start,
    /// The host's memory for one more live instance.
    Memory,
    /// The highest rate with a fresh instance for each request.
    Fresh,
    /// The highest rate of warm instances.
    Warm,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Memory, Self::Fresh, Self::Warm];

    /// The figure of an executor.
    pub fn of(self, executor: &Figures) -> Option<&Figure> {
        match self {
            Self::Start => executor.start(),
            Self::Memory => executor.memory(),
            Self::Fresh => executor.best_rate("fresh"),
            Self::Warm => executor.best_rate("warm"),
        }
    }

    /// Its name within a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start time",
            Self::Memory => "memory per live instance",
            Self::Fresh => "request rate with fresh instances",
            Self::Warm => "request rate with warm instances",
        }
    }

    fn reuse(self) -> Option<&'static str> {
        match self {
            Self::Start | Self::Memory => None,
            Self::Fresh => Some("fresh"),
            Self::Warm => Some("warm"),
        }
    }
}

/// The executors of one group by one figure.
#[derive(Debug)]
pub(super) struct Ranking<'a> {
    /// Those that isolate, the best first.
    pub(super) isolating: Vec<One<'a>>,
    /// The one that isolates nothing.
    pub(super) baseline: Option<One<'a>>,
    /// Those of the plan without a figure that counts, by name, and why.
    pub(super) absent: Vec<(&'a str, &'static str)>,
}

/// The result of a ranking.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// Nothing was measured.
    Absent,
    /// One executor was measured.
    Alone(One<'a>),
    /// The best differs from every other; the next is this many times behind.
    First { best: One<'a>, next: One<'a>, ratio: Ratio },
    /// The best does not differ visibly from some others; the first that does is behind.
    Tied { best: One<'a>, equals: Vec<One<'a>>, behind: Option<(One<'a>, Ratio)> },
    /// The best leads by what may be less than the host drifted.
    Drowned { best: One<'a>, next: One<'a>, ratio: Ratio },
    /// The best leads, and there are too few repetitions or samples for a verdict.
    Unproved { best: One<'a>, next: One<'a> },
}

impl<'a> Ranking<'a> {
    pub(super) fn of(summary: &'a Summary, group: &'a Group, metric: Metric) -> Self {
        let mut ranking = Self { isolating: Vec::new(), baseline: None, absent: Vec::new() };
        for info in &summary.run.executors {
            let executor = group.executors.iter().find(|executor| executor.spec == info.spec);
            let figure = executor.and_then(|executor| Some((executor, metric.of(executor)?)));
            let lack = lack(summary, group, &info.spec, metric);
            match (figure, lack) {
                // A figure of a failed cell is not ranked.
                (Some(_), Some(why @ "failed")) | (None, Some(why)) => ranking.absent.push((&info.name, why)),
                // A slope that is not above zero is noise about a small one.
                (Some((_, figure)), _) if figure.estimate.value <= 0.0 => {
                    ranking.absent.push((&info.name, "too little to measure"));
                }
                (Some((executor, figure)), _) => {
                    let one = One { group, executor, figure };
                    if info.is_baseline() {
                        ranking.baseline = Some(one);
                    } else {
                        ranking.isolating.push(one);
                    }
                }
                (None, None) => {}
            }
        }
        ranking.isolating.sort_by(|a, b| order(a.figure, b.figure));
        ranking
    }

    /// Whether a figure is better than another of its name.
    pub(super) fn is_better(figure: &Figure, other: &Figure) -> bool {
        order(figure, other).is_lt()
    }

    /// Its result on a host that drifted by this part, if it did.
    pub(super) fn outcome(&self, drift: Option<f64>) -> Outcome<'a> {
        let (best, others) = match self.isolating.as_slice() {
            [] => return Outcome::Absent,
            [only] => return Outcome::Alone(*only),
            [best, others @ ..] => (*best, others),
        };
        let lead = |other: &One<'a>| Lead::of(&best, other, drift);
        if others.iter().any(|other| matches!(lead(other), Lead::Unproved)) {
            return Outcome::Unproved { best, next: others[0] };
        }
        let is_equal = |other: &&One<'a>| matches!(lead(other), Lead::Unseen);
        let equals: Vec<One<'a>> = others.iter().filter(is_equal).copied().collect();
        let behind = others.iter().find_map(|other| match lead(other) {
            Lead::Shown(ratio) => Some((*other, ratio)),
            _ => None,
        });
        if !equals.is_empty() {
            return Outcome::Tied { best, equals, behind };
        }
        match lead(&others[0]) {
            Lead::Shown(ratio) => Outcome::First { best, next: others[0], ratio },
            Lead::Drowned(ratio) => Outcome::Drowned { best, next: others[0], ratio },
            Lead::Unseen | Lead::Unproved => Outcome::Unproved { best, next: others[0] },
        }
    }
}

/// The better figure first.
fn order(figure: &Figure, other: &Figure) -> Ordering {
    let order = figure.estimate.value.total_cmp(&other.estimate.value);
    if figure.is_less_better() { order } else { order.reverse() }
}

/// How far the better of two is ahead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lead {
    /// By this many times.
    Shown(Ratio),
    /// By this many times, which may be less than the host drifted.
    Drowned(Ratio),
    /// The run shows no difference.
    Unseen,
    /// The run cannot give a verdict.
    Unproved,
}

impl Lead {
    pub(super) fn of(better: &One<'_>, other: &One<'_>, drift: Option<f64>) -> Self {
        let Some(comparison) = better.against(other) else { return Self::Unproved };
        let factor = comparison.factor();
        // A lead counts only where even the low end of its interval is beyond the drift.
        let least = factor.interval.map_or(factor.value, |interval| interval.low);
        match comparison.verdict {
            Verdict::Unknown => Self::Unproved,
            Verdict::NoDifference => Self::Unseen,
            Verdict::Better | Verdict::Worse if drift.is_some_and(|drift| least <= 1.0 + drift) => {
                Self::Drowned(factor)
            }
            Verdict::Better | Verdict::Worse => Self::Shown(factor),
        }
    }
}

/// By what part the host drifted, if it did.
pub(super) fn drift(summary: &Summary) -> Option<f64> {
    summary.calibration.as_ref().filter(|host| host.is_drifting()).map(|host| host.spread)
}

/// Why an executor of the plan has no figure that counts. Phases and memory are measured once
/// for all reuse policies: one good cell proves that they were.
fn lack(summary: &Summary, group: &Group, spec: &str, metric: Metric) -> Option<&'static str> {
    let is_of_cell = |cell: &&Cell| {
        cell.executor == spec
            && cell.function == group.function
            && cell.variant == group.variant
            && !cell.twin
            && metric.reuse().is_none_or(|reuse| reuse == cell.reuse)
    };
    let cells: Vec<&Cell> = summary.run.cells.iter().filter(is_of_cell).collect();
    if cells.iter().any(|cell| cell.status == Status::Ok) {
        return None;
    }
    let worst = cells.iter().map(|cell| cell.status).filter(|status| *status != Status::Skipped).min();
    worst.map(|status| match status {
        Status::Failed => "failed",
        Status::Unavailable => "unavailable",
        _ => "not reached",
    })
}
