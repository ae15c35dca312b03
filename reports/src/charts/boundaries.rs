//! The costs of each boundary: start, memory and throughput in one chart.

use super::overview::Headline;
use super::{Axis, Chart, Mark, Panel, Spot};
use crate::figures::{Figure, Group, Summary};
use crate::rows::{Cell, ExecutorInfo, Status};
use crate::words;

/// The values of a mark: along both axes, and its size.
const VALUES: [(Headline, &str); 3] =
    [(Headline::Start, "start"), (Headline::Memory, "memory"), (Headline::Warm, "throughput")];

/// One panel for each variant of the headline function, and in it every executor of the run.
pub(crate) fn costs(summary: &Summary) -> Option<Chart> {
    let panels = summary.headline().into_iter().map(|group| Panel {
        title: words::title(&group.function, &group.variant),
        items: marks(summary, group),
    });
    let has_marks = |panel: &Panel<Mark>| panel.items.iter().any(|mark| mark.spot.is_ok());
    let panels: Vec<_> = panels.filter(has_marks).collect();
    let [x, y, size] = VALUES.map(|(headline, _)| Axis::log(headline.title(), headline.unit()));
    (!panels.is_empty()).then_some(Chart::Marks { x, y, size, panels })
}

fn marks(summary: &Summary, group: &Group) -> Vec<Mark> {
    let mark = |(place, info): (usize, &ExecutorInfo)| {
        let figures = group.executors.iter().find(|executor| executor.place == place);
        let values = VALUES.map(|(headline, _)| headline.of(figures?));
        // A logarithmic scale has no place for zero.
        let values = values.map(|value| value.filter(|figure| figure.estimate.value > 0.0));
        Mark { executor: place, spot: spot(values).ok_or_else(|| absence(summary, group, info, values)) }
    };
    summary.run.executors.iter().enumerate().map(mark).collect()
}

fn spot([x, y, size]: [Option<&Figure>; 3]) -> Option<Spot> {
    let estimates = [x?, y?, size?].map(|figure| &figure.estimate);
    let [x, y, size] = estimates.map(|estimate| estimate.value);
    let samples = estimates.iter().map(|estimate| estimate.samples).min()?;
    Some(Spot { x, y, size, samples })
}

/// The reason why an executor has no mark: that of its cells, or the values that the run does not have.
fn absence(summary: &Summary, group: &Group, info: &ExecutorInfo, values: [Option<&Figure>; 3]) -> String {
    let is_of = |cell: &&Cell| {
        (&cell.executor, &cell.function, &cell.variant) == (&info.spec, &group.function, &group.variant)
            && cell.status != Status::Ok
    };
    let of_cell = || summary.run.cells.iter().find(is_of)?.reason.as_deref();
    if let Some(reason) = info.unavailable.as_deref().or_else(of_cell) {
        return words::one_line(reason);
    }
    let lacks = VALUES.iter().zip(values).filter(|(_, value)| value.is_none());
    let lacks: Vec<&str> = lacks.map(|((_, name), _)| *name).collect();
    format!("the run has no {} of it", lacks.join(" and no "))
}
