//! A chart with its caption, its legend and its table.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{drawn, table};
use crate::chart::{self, Drawing, Ruler};
use crate::curves::{Axis, Bar, Chart, DotRow, Index, Line, Model, Panel};
use crate::grid::Grid;

/// A part of the page about one experiment.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// How to read it.
    pub(super) lead: &'static str,
    pub(super) figures: Vec<Figure>,
}

/// Charts under one caption.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) id: String,
    pub(super) title: String,
    /// What it shows and how to read it.
    pub(super) caption: String,
    /// Under which settings it was measured.
    pub(super) settings: String,
    pub(super) charts: Vec<Chart>,
    /// Whether it only completes another one, and is folded.
    pub(super) is_secondary: bool,
}

impl Figure {
    pub(super) fn secondary(self) -> Self {
        Self { is_secondary: true, ..self }
    }
}

pub(super) fn section(section: &Section, index: &Index<'_>) -> Markup {
    html! {
        section id=(section.id) {
            h2 { (section.title) }
            p.prose { (section.lead) }
            @if section.figures.is_empty() { p.absent { "Not in this run: it has no rows of this experiment." } }
            @for figure in &section.figures {
                @if figure.is_secondary {
                    details.more {
                        summary { h3 { (figure.title) } }
                        (render(figure, index))
                    }
                } @else { (render(figure, index)) }
            }
        }
    }
}

pub(super) fn render(figure: &Figure, index: &Index<'_>) -> Markup {
    html! {
        figure id=(figure.id) {
            @if !figure.is_secondary { h3 { (figure.title) } }
            (legend(figure, index))
            div class={ "panels of-" (count(&figure.charts)) } {
                @for (nth, chart) in figure.charts.iter().enumerate() {
                    (panels(chart, &format!("{}-{nth}", figure.id), index))
                }
            }
            figcaption {
                p { (figure.caption) }
                p.note { (figure.settings) " " (samples(&figure.charts)) }
            }
            details {
                summary { "Table of what is drawn" }
                @for chart in &figure.charts { (table::grid(&grid(chart, index))) }
            }
        }
    }
}

fn count(charts: &[Chart]) -> usize {
    let panels = charts.iter().map(|chart| match chart {
        Chart::Lines { panels, .. } => panels.len(),
        Chart::Bars { panels, .. } => panels.len(),
        Chart::Dots { panels, .. } => panels.len(),
    });
    panels.sum()
}

/// The marker of an executor.
pub(super) fn swatch(model: &Model) -> Markup {
    let Drawing { width, height, elements } = chart::swatch(model.slot);
    html! {
        svg.chart.swatch viewBox={ "0 0 " (width) " " (height) } aria-hidden="true" { (drawn(&elements)) }
    }
}

fn legend(figure: &Figure, index: &Index<'_>) -> Markup {
    let models: BTreeSet<usize> = figure.charts.iter().flat_map(models).collect();
    let mut keys: Vec<(&str, String)> = Vec::new();
    for chart in &figure.charts {
        match chart {
            Chart::Lines { panels, .. } => {
                for line in panels.iter().flat_map(|panel| &panel.items) {
                    let key = (if line.dashed { "dashed" } else { "solid" }, line.name.clone());
                    if line.model.is_some() && !line.name.is_empty() && !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                if panels
                    .iter()
                    .flat_map(|panel| &panel.items)
                    .any(|line| line.points.iter().any(|point| point.saturated))
                {
                    keys.push(("hollow", "could not keep up".into()));
                }
            }
            Chart::Bars { parts, .. } => {
                const KEYS: [&str; 5] = ["part0", "part1", "part2", "part3", "part4"];
                keys.extend(KEYS.iter().zip(parts).map(|(key, part)| (*key, (*part).into())));
            }
            Chart::Dots { .. } => {}
        }
    }
    html! {
        ul.legend {
            @for model in models { li { (swatch(&index.models[model])) (index.models[model].name) } }
            @for (key, name) in &keys { li { i.key.(*key) {} (name) } }
        }
    }
}

fn models(chart: &Chart) -> Vec<usize> {
    match chart {
        Chart::Lines { panels, .. } => items(panels).filter_map(|line| line.model).collect(),
        Chart::Bars { panels, .. } => items(panels).map(|bar| bar.model).collect(),
        Chart::Dots { panels, .. } => {
            items(panels).flat_map(|row| row.dots.iter().map(|dot| dot.model)).collect()
        }
    }
}

fn items<T>(panels: &[Panel<T>]) -> impl Iterator<Item = &T> {
    panels.iter().flat_map(|panel| &panel.items)
}

fn panels(chart: &Chart, id: &str, index: &Index<'_>) -> Markup {
    let models = &index.models;
    match chart {
        Chart::Lines { x, y, panels } => {
            let fits = || items(panels).flat_map(|line| &line.fit);
            let xs = items(panels).flat_map(|line| &line.points).map(|point| point.x);
            let ys = items(panels).flat_map(|line| &line.points).map(|point| point.y);
            let x_ruler = Ruler::over(x, xs.chain(fits().map(|point| point.0)), 6);
            let y_ruler = Ruler::over(y, ys.chain(fits().map(|point| point.1)), 6);
            each(
                panels,
                id,
                &y.title,
                &|panel| chart::lines(&panel.items, &x_ruler, &y_ruler, models),
                &|panel| notes(&panel.items, models),
            )
        }
        Chart::Bars { x, panels, .. } => {
            // The first part begins at no time, which has no place on a logarithmic scale.
            let ends = items(panels).flat_map(|bar| &bar.parts).map(|part| part.to);
            let ruler = Ruler::over(x, ends, 6);
            each(panels, id, "", &|panel| chart::bars(&panel.items, &ruler, models), &|_| html! {})
        }
        Chart::Dots { x, panels } => {
            let ruler = Ruler::over(x, items(panels).flat_map(|row| &row.dots).map(|dot| dot.value), 6);
            each(panels, id, "", &|panel| chart::dots(&panel.items, &ruler, models), &|_| html! {})
        }
    }
}

fn each<T>(
    panels: &[Panel<T>],
    id: &str,
    y_title: &str,
    draw: &dyn Fn(&Panel<T>) -> Drawing,
    below: &dyn Fn(&Panel<T>) -> Markup,
) -> Markup {
    html! {
        @for (nth, panel) in panels.iter().enumerate() {
            @let Drawing { width, height, elements } = draw(panel);
            @let title = format!("{id}-{nth}");
            div.panel {
                h4 { (panel.title) }
                @if !y_title.is_empty() { p.axis { "↑ " (y_title) } }
                svg.chart role="img" viewBox={ "0 0 " (width) " " (height) } aria-labelledby={ (title) "t " (title) "d" } {
                    title id={ (title) "t" } { (panel.title) }
                    desc id={ (title) "d" } { (y_title) " All values are in the table below the charts." }
                    (drawn(&elements))
                }
                (below(panel))
            }
        }
    }
}

fn notes(lines: &[Line], models: &[Model]) -> Markup {
    html! {
        @if lines.iter().any(|line| line.note.is_some()) {
            ul.notes {
                @for (note, model) in lines.iter().filter_map(|line| Some((line.note.as_ref()?, line.model?))) {
                    li { (swatch(&models[model])) (models[model].name) ": " (note) }
                }
            }
        }
    }
}

/// How many samples are behind each mark.
fn samples(charts: &[Chart]) -> String {
    let counts = charts.iter().flat_map(|chart| -> Vec<usize> {
        match chart {
            Chart::Lines { panels, .. } => {
                items(panels).flat_map(|line| &line.points).map(|point| point.samples).collect()
            }
            Chart::Bars { panels, .. } => {
                items(panels).flat_map(|bar| &bar.parts).map(|part| part.samples).collect()
            }
            Chart::Dots { panels, .. } => {
                items(panels).flat_map(|row| &row.dots).map(|dot| dot.samples).collect()
            }
        }
    });
    let counts: BTreeSet<usize> = counts.collect();
    match (counts.first(), counts.last()) {
        (Some(1), Some(1)) => "Each mark is one sample.".into(),
        (Some(least), Some(most)) if least == most => format!("Each mark is of {least} samples."),
        (Some(least), Some(most)) => format!("Each mark is of {least} to {most} samples."),
        _ => String::new(),
    }
}

/// What is drawn, in figures.
fn grid(chart: &Chart, index: &Index<'_>) -> Grid {
    match chart {
        Chart::Lines { x, y, panels } => lines_grid(x, y, panels, index),
        Chart::Bars { panels, .. } => bars_grid(panels, index),
        Chart::Dots { x, panels } => dots_grid(x, panels, index),
    }
}

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn lines_grid(x: &Axis, y: &Axis, panels: &[Panel<Line>], index: &Index<'_>) -> Grid {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |line| {
            line.points.iter().map(move |point| {
                let name = line.model.map_or("host", |model| index.models[model].name.as_str());
                let mark = if point.saturated { " (could not keep up)" } else { "" };
                vec![
                    panel.title.clone(),
                    format!("{name} {}{mark}", line.name).trim().to_owned(),
                    x.quantity.show(point.x),
                    y.quantity.show(point.y),
                    point.samples.to_string(),
                ]
            })
        })
    });
    let head = head(&["of", "executor", &x.title, &y.title, "samples"]);
    Grid { head, names: 2, lines: lines.collect(), ..Grid::default() }
}

fn bars_grid(panels: &[Panel<Bar>], index: &Index<'_>) -> Grid {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |bar| {
            bar.parts.iter().map(move |part| {
                let name = &index.models[bar.model].name;
                vec![
                    panel.title.clone(),
                    name.clone(),
                    part.name.clone(),
                    part.value.clone(),
                    part.samples.to_string(),
                ]
            })
        })
    });
    let head = head(&["of", "executor", "part", "its own length", "samples"]);
    Grid { head, names: 3, lines: lines.collect(), ..Grid::default() }
}

fn dots_grid(x: &Axis, panels: &[Panel<DotRow>], index: &Index<'_>) -> Grid {
    let lines = panels.iter().flat_map(|panel| {
        panel.items.iter().flat_map(move |row| {
            row.dots.iter().map(move |dot| {
                let name = &index.models[dot.model].name;
                vec![
                    panel.title.clone(),
                    row.name.clone(),
                    name.clone(),
                    x.quantity.show(dot.value),
                    dot.samples.to_string(),
                ]
            })
        })
    });
    let head = head(&["of", "line", "executor", "median", "samples"]);
    Grid { head, names: 3, lines: lines.collect(), ..Grid::default() }
}
