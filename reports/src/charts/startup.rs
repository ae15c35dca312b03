//! The parts of a first response, and responses at every kind of cold.

use super::{Axis, AxisUnit, Bar, Chart, Dot, Panel, Part, dot_row, dots, panels};
use crate::figures::{Figure, Figures, Group, Settings, Summary};
use crate::rows::row::Cold;
use crate::words;

/// Parts of a first response, in order of time.
const PARTS: [&str; 3] = ["start", "invoke", "connection and front end"];

/// The phases of a first response from a fresh instance, each from its beginning to its
/// end.
pub(crate) fn first_answer(summary: &Summary) -> Option<Chart> {
    let panels = panels(summary, |figures| bar(figures).into_iter().collect());
    let x = Axis::log("time since the instance was asked for", AxisUnit::Duration);
    (!panels.is_empty()).then(|| Chart::Bars { x, parts: PARTS.to_vec(), panels })
}

/// Parts that follow each other in time.
#[derive(Default)]
struct Sequence {
    at: f64,
    parts: Vec<Part>,
}

impl Sequence {
    /// Adds a part whose length is that of `figure`, or a remainder of it.
    fn add(&mut self, kind: usize, name: &str, length: f64, figure: &Figure) {
        let (from, to) = (self.at, self.at + length);
        self.at = to;
        let (value, samples) = (figure.show(length), figure.estimate.samples);
        self.parts.push(Part { kind, name: name.into(), from, to, value, samples });
    }
}

fn bar(figures: &Figures) -> Option<Bar> {
    let start = figures.start()?;
    let invoke = figures.figure("invoke_p50", &Settings::cold(Cold::Instance, None));
    let answer = figures.cold_answer(Cold::Instance, None);
    let mut sequence = Sequence::default();
    laps(figures, start, &mut sequence);
    if let Some(invoke) = invoke {
        sequence.add(1, PARTS[1], invoke.estimate.value, invoke);
    }
    if let Some(answer) = answer {
        let known = start.estimate.value + invoke.map_or(0.0, |invoke| invoke.estimate.value);
        // Medians do not add up, so the remainder can be negative.
        sequence.add(2, PARTS[2], (answer.estimate.value - known).max(0.0), answer);
    }
    let total = answer.unwrap_or(start);
    Some(Bar { executor: figures.place, total: total.show(total.estimate.value), parts: sequence.parts })
}

/// The laps of `start`, and the rest of it that no lap covers.
fn laps(figures: &Figures, start: &Figure, sequence: &mut Sequence) {
    let laps = figures.laps.iter().filter(|lap| lap.starts_with("start."));
    let lap =
        |lap: &String| Some((lap.clone(), figures.figure(&format!("{lap}_p50"), &Settings::default())?));
    let laps: Vec<(String, &Figure)> = laps.filter_map(lap).collect();
    let whole = start.estimate.value;
    let covered: f64 = laps.iter().map(|(_, lap)| lap.estimate.value).sum();
    // Laps that are longer than their phase explain nothing.
    if laps.is_empty() || covered > whole * 1.1 {
        return sequence.add(0, PARTS[0], whole, start);
    }
    for (name, lap) in laps {
        sequence.add(0, &name, lap.estimate.value, lap);
    }
    let rest = whole - covered;
    if rest > whole * 0.01 {
        sequence.add(0, "start, the rest", rest, start);
    }
}

/// `prepare`, the kinds of cold and a warm response side by side.
pub(crate) fn kinds_of_cold(summary: &Summary) -> Option<Chart> {
    let panel = |group: &Group| {
        let rows = KINDS.iter().map(|(name, pick)| {
            dot_row(group, (*name).into(), |figures| Some(Dot::of(figures, pick(figures)?)))
        });
        Panel {
            title: words::title(&group.function, &group.variant),
            items: rows.filter(|row| !row.dots.is_empty()).collect::<Vec<_>>(),
        }
    };
    let panels = summary.groups.iter().map(panel).filter(|panel| !panel.items.is_empty());
    dots(Axis::log("time", AxisUnit::Duration), panels.collect())
}

/// Finds the figure of a line.
type Pick = fn(&Figures) -> Option<&Figure>;

/// Each line has less to make than the one above it.
const KINDS: [(&str, Pick); 7] = [
    ("prepare, nothing cached", |figures| figures.prepare(false)),
    ("prepare, artifact cached", |figures| figures.prepare(true)),
    ("answer, cold host", |figures| figures.cold_answer(Cold::Host, None)),
    ("answer, cold function, nothing cached", |figures| figures.cold_answer(Cold::Function, Some(false))),
    ("answer, cold function, artifact cached", |figures| figures.cold_answer(Cold::Function, Some(true))),
    ("answer, cold instance", |figures| figures.cold_answer(Cold::Instance, None)),
    ("answer, warm instance", Figures::warm_answer),
];
