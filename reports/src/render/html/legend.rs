//! The meaning of markers, dashes and colours.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::drawn;
use super::figure::{ChartFigure, items};
use crate::charts::{Chart, Executor, Line, Panel};
use crate::render::svg::{self, Drawing};

/// A sign and what it means.
type Key = (&'static str, String);

/// The legend of charts; empty if they show only the host.
pub(super) fn legend(figure: &ChartFigure, executors: &[Executor]) -> Markup {
    let shown: BTreeSet<usize> = figure.charts.iter().flat_map(shown).collect();
    let mut keys: Vec<Key> = Vec::new();
    for key in figure.charts.iter().flat_map(keys_of) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    html! {
        @if !shown.is_empty() {
            ul.legend {
                @for place in shown { li { (swatch(&executors[place])) (executors[place].name) } }
                @for (key, name) in &keys { li { i.key.(*key) {} (name) } }
            }
        }
    }
}

/// The marker of an executor.
pub(super) fn swatch(executor: &Executor) -> Markup {
    let Drawing { width, height, elements } = svg::swatch(executor.slot);
    html! {
        svg.chart.swatch viewBox={ "0 0 " (width) " " (height) } aria-hidden="true" { (drawn(&elements)) }
    }
}

fn keys_of(chart: &Chart) -> Vec<Key> {
    const PARTS: [&str; 5] = ["part0", "part1", "part2", "part3", "part4"];
    match chart {
        Chart::Lines { panels, .. } => line_keys(panels),
        Chart::Bars { parts, .. } => {
            PARTS.into_iter().zip(parts.iter().map(|part| (*part).to_owned())).collect()
        }
        Chart::Dots { .. } | Chart::Marks { .. } => Vec::new(),
    }
}

fn line_keys(panels: &[Panel<Line>]) -> Vec<Key> {
    let named = items(panels).filter(|line| !line.name.is_empty());
    let mut keys: Vec<_> =
        named.map(|line| (if line.dashed { "dashed" } else { "solid" }, line.name.clone())).collect();
    if items(panels).any(|line| line.points.iter().any(|point| point.saturated)) {
        keys.push(("hollow", "could not keep up".into()));
    }
    keys
}

/// The places of the executors that a chart shows.
fn shown(chart: &Chart) -> Vec<usize> {
    match chart {
        Chart::Lines { panels, .. } => items(panels).filter_map(|line| line.executor).collect(),
        Chart::Bars { panels, .. } => items(panels).map(|bar| bar.executor).collect(),
        Chart::Dots { panels, .. } => {
            items(panels).flat_map(|row| row.dots.iter().map(|dot| dot.executor)).collect()
        }
        // Each mark has its name beside it.
        Chart::Marks { .. } => Vec::new(),
    }
}
