//! What a first answer is made of, and what it costs at every kind of cold.

use super::{
    Axis, AxisUnit, Bar, Chart, Dot, Group, Index, Panel, Part, Sampled, dot_row, dots, median, panels,
};
use crate::figures::{self, Figure, Figures, Summary};
use crate::rows::Row;
use crate::rows::row::Cold;
use crate::words::{self, units};

/// Parts of a first answer, in order of time.
const PARTS: [&str; 3] = ["start", "invoke", "connection and front end"];

/// The phases of a first answer from a fresh instance, each from the moment at which
/// it begins to that at which it ends.
pub(crate) fn first_answer(index: &Index<'_>) -> Option<Chart> {
    let panels =
        panels(index, |group| (0..index.models.len()).filter_map(|model| bar(group, model)).collect());
    let x = Axis::log("time since the instance was asked for", AxisUnit::Duration);
    (!panels.is_empty()).then(|| Chart::Bars { x, parts: PARTS.to_vec(), panels })
}

fn bar(group: &Group<'_>, model: usize) -> Option<Bar> {
    let start = median(group.rows(model, "start").iter().copied(), "duration_ns")?;
    let invoke =
        median(group.rows(model, "invoke").iter().copied().filter(|row| row.uses == Some(1)), "duration_ns");
    let answer = median(responses(group, model, is_cold_instance), "duration_ns");
    let mut parts = Vec::new();
    let mut at = 0.0;
    let mut add = |kind: usize, name: String, length: f64, samples: usize| {
        let (from, to) = (at, at + length);
        at = to;
        parts.push(Part { kind, name, from, to, value: units::duration(length), samples });
    };
    laps(group, model, start, &mut add);
    if let Some(invoke) = invoke {
        add(1, PARTS[1].into(), invoke.value, invoke.samples);
    }
    if let Some(answer) = answer {
        let known = start.value + invoke.map_or(0.0, |invoke| invoke.value);
        // Medians do not add up; a part that is not there has no length.
        let rest = (answer.value - known).max(0.0);
        add(2, PARTS[2].into(), rest, answer.samples);
    }
    let total = answer.unwrap_or(start);
    Some(Bar { model, total: units::duration(total.value), parts })
}

/// The laps of `start`, and what of it none of them covers.
fn laps(group: &Group<'_>, model: usize, start: Sampled, add: &mut impl FnMut(usize, String, f64, usize)) {
    let laps: Vec<_> = group
        .laps(model, "start")
        .into_iter()
        .filter_map(|lap| Some((lap, median(group.rows(model, lap).iter().copied(), "duration_ns")?)))
        .collect();
    let covered: f64 = laps.iter().map(|(_, lap)| lap.value).sum();
    // Laps that come to more than their phase explain nothing.
    if laps.is_empty() || covered > start.value * 1.1 {
        return add(0, PARTS[0].into(), start.value, start.samples);
    }
    for (name, lap) in laps {
        add(0, name.into(), lap.value.min(start.value), lap.samples);
    }
    let rest = start.value - covered;
    if rest > start.value * 0.01 {
        add(0, "start, the rest".into(), rest, start.samples);
    }
}

/// Prepare, the kinds of cold and a warm answer side by side.
pub(crate) fn kinds_of_cold(summary: &Summary) -> Option<Chart> {
    let panel = |group: &figures::Group| {
        let rows = KINDS.iter().map(|(name, pick)| {
            dot_row(summary, group, (*name).into(), |model, figures| Some(Dot::of(model, pick(figures)?)))
        });
        Panel {
            title: words::title(&group.function, &group.variant),
            items: rows.filter(|row| !row.dots.is_empty()).collect::<Vec<_>>(),
        }
    };
    let panels = summary.groups.iter().map(panel).filter(|panel| !panel.items.is_empty());
    dots(Axis::log("time", AxisUnit::Duration), panels.collect())
}

/// How a line finds its figure.
type Pick = fn(&Figures) -> Option<&Figure>;

/// From the top: less and less has to be made.
const KINDS: [(&str, Pick); 7] = [
    ("prepare, nothing cached", |figures| figures.prepare(false)),
    ("prepare, artifact cached", |figures| figures.prepare(true)),
    ("answer, cold host", |figures| figures.cold_answer(Cold::Host, None)),
    ("answer, cold function, nothing cached", |figures| figures.cold_answer(Cold::Function, Some(false))),
    ("answer, cold function, artifact cached", |figures| figures.cold_answer(Cold::Function, Some(true))),
    ("answer, cold instance", |figures| figures.cold_answer(Cold::Instance, None)),
    ("answer, warm instance", Figures::warm_answer),
];

fn responses<'a>(
    group: &Group<'a>,
    model: usize,
    is: impl Fn(&Row) -> bool,
) -> impl Iterator<Item = &'a Row> {
    group.rows(model, "response").iter().copied().filter(move |row| is(row))
}

/// A first use proves that the instance was cold, also where nothing else was asked.
fn is_cold_instance(row: &Row) -> bool {
    row.cold == Some(Cold::Instance) || row.cold.is_none() && row.uses == Some(1)
}
