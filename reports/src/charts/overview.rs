//! The headline figures of all functions and executors at a glance.

use super::{Axis, AxisUnit, Chart, Dot, Panel, dot_row, dots};
use crate::figures::{Figure, Figures, Group, Summary};
use crate::words;

/// A figure of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headline {
    /// Median of `start`.
    Start,
    /// The host's memory for one more live instance.
    Memory,
    /// The highest rate of correct responses from warm instances.
    Warm,
    /// The highest rate of correct responses with a new instance for each request.
    Fresh,
}

impl Headline {
    pub(crate) const ALL: [Self; 4] = [Self::Start, Self::Memory, Self::Warm, Self::Fresh];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Start => "start, median",
            Self::Memory => "memory per live instance",
            Self::Warm => "requests/s, warm instances",
            Self::Fresh => "requests/s, a fresh instance each",
        }
    }

    pub(crate) fn unit(self) -> AxisUnit {
        match self {
            Self::Start => AxisUnit::Duration,
            Self::Memory => AxisUnit::Bytes,
            Self::Warm | Self::Fresh => AxisUnit::Rate,
        }
    }

    /// Whether less of it is better.
    pub(crate) fn less_is_better(self) -> bool {
        matches!(self, Self::Start | Self::Memory)
    }

    /// An executor's figure, if it has one.
    pub(crate) fn of(self, figures: &Figures) -> Option<&Figure> {
        match self {
            Self::Start => figures.start(),
            Self::Memory => figures.memory().filter(|slope| slope.estimate.value > 0.0),
            Self::Warm => figures.best_rate("warm"),
            Self::Fresh => figures.best_rate("fresh"),
        }
    }
}

/// One chart for each figure: every group, every executor.
pub(crate) fn at_a_glance(summary: &Summary) -> Vec<(Headline, Chart)> {
    let chart = |headline: Headline| {
        let row = |group: &Group| {
            dot_row(group, words::title(&group.function, &group.variant), |figures| {
                Some(Dot::of(figures, headline.of(figures)?))
            })
        };
        let items: Vec<_> = summary.groups.iter().map(row).filter(|row| !row.dots.is_empty()).collect();
        let panels =
            if items.is_empty() { Vec::new() } else { vec![Panel { title: headline.title().into(), items }] };
        Some((headline, dots(Axis::log("", headline.unit()), panels)?))
    };
    Headline::ALL.into_iter().filter_map(chart).collect()
}
