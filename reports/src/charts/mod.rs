//! Turns the figures of a run into charts: points, bars and dots, not yet drawn.
//!
//! Each experiment has a module with pure functions from a [`Summary`] to a [`Chart`], or to
//! `None` if the run has no figures of it. Charts estimate nothing: every number is a figure
//! that tables and exports show too, or a sample that is kept beside one.

pub(crate) mod boundaries;
pub(crate) mod cpu;
pub(crate) mod edges;
mod executors;
pub(crate) mod latency;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod noise;
pub(crate) mod overview;
pub(crate) mod startup;

use crate::figures::{Figure, Figures, Group, Settings, Summary};
use crate::statistics::{Estimate, Interval};
use crate::words;

pub(crate) use executors::{BASELINE_SLOT, Executor, executors};

/// The unit of an axis, which decides how its numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AxisUnit {
    /// Nanoseconds.
    Duration,
    /// Bytes.
    Bytes,
    /// Events per second.
    Rate,
    /// A number of things.
    Count,
    /// 1 / (1 - q) of a quantile q; [`latency::MAXIMUM`] stands for the maximum.
    Percentile,
    /// A multiple of another number.
    Ratio,
    /// A part of a whole, in percent.
    Share,
}

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Equal lengths are equal differences.
    Linear,
    /// Equal lengths are equal factors.
    Log,
}

/// One axis, shared by all panels of a chart so that they can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) unit: AxisUnit,
    pub(crate) scale: Scale,
}

impl Axis {
    pub(crate) fn log(title: &str, unit: AxisUnit) -> Self {
        Self { title: title.into(), unit, scale: Scale::Log }
    }

    pub(crate) fn linear(title: &str, unit: AxisUnit) -> Self {
        Self { title: title.into(), unit, scale: Scale::Linear }
    }
}

/// A chart of small multiples, mostly one panel for each function and variant.
#[derive(Clone, Debug)]
pub(crate) enum Chart {
    /// Values against values.
    Lines { x: Axis, y: Axis, panels: Vec<Panel<Line>> },
    /// Parts of a whole, one bar for each executor.
    Bars { x: Axis, parts: Vec<&'static str>, panels: Vec<Panel<Bar>> },
    /// Executors side by side, one line for each thing that is compared.
    Dots { x: Axis, panels: Vec<Panel<DotRow>> },
    /// Executors in a plane, one mark each, whose size is a third value.
    Marks { x: Axis, y: Axis, size: Axis, panels: Vec<Panel<Mark>> },
}

/// One of a chart's small multiples.
#[derive(Clone, Debug)]
pub(crate) struct Panel<T> {
    pub(crate) title: String,
    pub(crate) items: Vec<T>,
}

/// Points of one executor, joined unless there is a fit.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The place in [`executors`]; `None` for the host itself.
    pub(crate) executor: Option<usize>,
    /// Distinguishes this line from others of the same executor; empty if there is only one.
    pub(crate) name: String,
    pub(crate) dashed: bool,
    pub(crate) points: Vec<Point>,
    /// A fitted line; drawn instead of joining the points.
    pub(crate) fit: Vec<(f64, f64)>,
    /// A summary of the line, shown below the panel.
    pub(crate) note: Option<String>,
}

/// One point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The number of samples behind `y`.
    pub(crate) samples: usize,
    /// The server could not keep up here; the marker is hollow.
    pub(crate) saturated: bool,
}

/// A bar of one executor, and its parts from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// The place in [`executors`].
    pub(crate) executor: usize,
    /// The whole, as text.
    pub(crate) total: String,
    pub(crate) parts: Vec<Part>,
}

/// A part of a bar.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The place in the chart's list of parts, which gives the colour.
    pub(crate) kind: usize,
    /// The exact name, such as a lap's.
    pub(crate) name: String,
    /// Where it begins on the axis.
    pub(crate) from: f64,
    /// Where it ends on the axis.
    pub(crate) to: f64,
    /// Its own size, as text.
    pub(crate) value: String,
    /// The number of samples behind it.
    pub(crate) samples: usize,
}

/// One value for each executor.
#[derive(Clone, Debug)]
pub(crate) struct DotRow {
    pub(crate) name: String,
    pub(crate) dots: Vec<Dot>,
}

/// One executor's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dot {
    /// The place in [`executors`].
    pub(crate) executor: usize,
    pub(crate) value: f64,
    /// The 95 % confidence interval, where there is one.
    pub(crate) interval: Option<Interval>,
    pub(crate) samples: usize,
}

/// One executor in a plane.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// The place in [`executors`].
    pub(crate) executor: usize,
    /// Where it is; the reason if it has no place.
    pub(crate) spot: Result<Spot, String>,
}

/// The place and the size of a mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) size: f64,
    /// The number of samples behind the value that has fewest.
    pub(crate) samples: usize,
}

impl Line {
    /// A solid line of an executor, without a name.
    fn of(figures: &Figures, points: Vec<Point>) -> Self {
        let executor = Some(figures.place);
        Self { executor, name: String::new(), dashed: false, points, fit: Vec::new(), note: None }
    }
}

impl Point {
    /// A figure at its place on the axis.
    fn of(x: f64, figure: &Figure) -> Self {
        let Estimate { value, samples, .. } = figure.estimate;
        Self { x, y: value, samples, saturated: false }
    }
}

impl Dot {
    /// An executor's figure.
    fn of(figures: &Figures, figure: &Figure) -> Self {
        let Estimate { value, interval, samples, .. } = figure.estimate;
        Self { executor: figures.place, value, interval, samples }
    }
}

/// The settings of every figure of a phase.
fn of_phase<'a>(summary: &'a Summary, phase: &'a str) -> impl Iterator<Item = &'a Settings> {
    let figures = summary.groups.iter().flat_map(|group| &group.executors).flat_map(|of| &of.figures);
    figures.filter(move |figure| figure.name.split('_').next() == Some(phase)).map(|figure| &figure.settings)
}

/// The reuse policies that a phase was measured under: `fresh` first, then by name.
pub(crate) fn reuses(summary: &Summary, phase: &str) -> Vec<String> {
    let mut reuses: Vec<_> = of_phase(summary, phase).filter_map(|settings| settings.reuse.clone()).collect();
    reuses.sort_unstable_by(|a, b| (a != "fresh", a).cmp(&(b != "fresh", b)));
    reuses.dedup();
    reuses
}

/// One panel for each group that has something to show.
fn panels<T>(summary: &Summary, of: impl Fn(&Figures) -> Vec<T>) -> Vec<Panel<T>> {
    let panel = |group: &Group| Panel {
        title: words::title(&group.function, &group.variant),
        items: group.executors.iter().flat_map(&of).collect::<Vec<_>>(),
    };
    summary.groups.iter().map(panel).filter(|panel| !panel.items.is_empty()).collect()
}

fn lines(x: Axis, y: Axis, panels: Vec<Panel<Line>>) -> Option<Chart> {
    (!panels.is_empty()).then_some(Chart::Lines { x, y, panels })
}

/// A line of dots, one for each executor of a group that has one.
fn dot_row(group: &Group, name: String, of: impl Fn(&Figures) -> Option<Dot>) -> DotRow {
    DotRow { name, dots: group.executors.iter().filter_map(of).collect() }
}

fn dots(x: Axis, panels: Vec<Panel<DotRow>>) -> Option<Chart> {
    (!panels.is_empty()).then_some(Chart::Dots { x, panels })
}

#[cfg(test)]
mod tests;
