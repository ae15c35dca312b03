//! A chart with its caption, its legend and its table.

use maud::{Markup, html};

use super::legend::{legend, swatch};
use super::{data, drawn, table};
use crate::charts::{Axis, Chart, Executor, Line, Mark, Panel, Spot};
use crate::render::svg::{self, Drawing, Ruler};
use crate::statistics::Interval;
use crate::words;

/// A part of the page about one experiment.
#[derive(Clone, Debug)]
pub(super) struct ChartSection {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// How to read it.
    pub(super) lead: &'static str,
    pub(super) figures: Vec<ChartFigure>,
}

/// Charts under one caption.
#[derive(Clone, Debug)]
pub(super) struct ChartFigure {
    pub(super) id: String,
    pub(super) title: String,
    /// Its subject and how to read it.
    pub(super) caption: String,
    /// The settings of the measurement.
    pub(super) settings: String,
    pub(super) charts: Vec<Chart>,
    /// Whether it completes another chart and is folded away.
    pub(super) is_secondary: bool,
}

impl ChartFigure {
    pub(super) fn secondary(self) -> Self {
        Self { is_secondary: true, ..self }
    }
}

pub(super) fn section(section: &ChartSection, executors: &[Executor]) -> Markup {
    html! {
        section id=(section.id) {
            h2 { (section.title) }
            p.prose { (section.lead) }
            @if section.figures.is_empty() { p.absent { "Not in this run: it has no rows of this experiment." } }
            @for figure in &section.figures {
                @if figure.is_secondary {
                    details.more {
                        summary { h3 { (figure.title) } }
                        (render(figure, executors))
                    }
                } @else { (render(figure, executors)) }
            }
        }
    }
}

pub(super) fn render(figure: &ChartFigure, executors: &[Executor]) -> Markup {
    html! {
        figure id=(figure.id) {
            @if !figure.is_secondary { h3 { (figure.title) } }
            (legend(figure, executors))
            div class={ "panels of-" (count(&figure.charts)) } {
                @for (nth, chart) in figure.charts.iter().enumerate() {
                    (panels(chart, &format!("{}-{nth}", figure.id), executors))
                }
            }
            figcaption {
                p { (figure.caption) }
                p.note { (figure.settings) " " (data::samples(&figure.charts)) }
            }
            details {
                summary { "The figures of this chart" }
                @for chart in &figure.charts { (table::titled(&data::table(chart, executors))) }
            }
        }
    }
}

fn count(charts: &[Chart]) -> usize {
    let panels = charts.iter().map(|chart| match chart {
        Chart::Lines { panels, .. } => panels.len(),
        Chart::Bars { panels, .. } => panels.len(),
        Chart::Dots { panels, .. } => panels.len(),
        Chart::Marks { panels, .. } => panels.len(),
    });
    panels.sum()
}

/// The items of all panels.
pub(super) fn items<T>(panels: &[Panel<T>]) -> impl Iterator<Item = &T> {
    panels.iter().flat_map(|panel| &panel.items)
}

/// The places of the marks of all panels.
pub(super) fn spots(panels: &[Panel<Mark>]) -> impl Iterator<Item = &Spot> {
    items(panels).filter_map(|mark| mark.spot.as_ref().ok())
}

fn panels(chart: &Chart, id: &str, executors: &[Executor]) -> Markup {
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
                &|panel| svg::lines(&panel.items, &x_ruler, &y_ruler, executors),
                &|panel| notes(&panel.items, executors),
            )
        }
        Chart::Bars { x, panels, .. } => {
            // The first part begins at zero, which has no place on a logarithmic scale.
            let ends = items(panels).flat_map(|bar| &bar.parts).map(|part| part.to);
            let ruler = Ruler::over(x, ends, 6);
            each(panels, id, "", &|panel| svg::bars(&panel.items, &ruler, executors), &|_| html! {})
        }
        Chart::Dots { x, panels } => {
            let dots = items(panels).flat_map(|row| &row.dots);
            let values = dots.flat_map(|dot| {
                let ends = dot.interval.map(|Interval { low, high }| [low, high]);
                std::iter::once(dot.value).chain(ends.into_iter().flatten())
            });
            let ruler = Ruler::over(x, values, 6);
            each(panels, id, "", &|panel| svg::dots(&panel.items, &ruler, executors), &|_| html! {})
        }
        Chart::Marks { x, y, size, panels } => {
            let over = |axis: &Axis, value: fn(&Spot) -> f64| Ruler::over(axis, spots(panels).map(value), 6);
            let (x_ruler, y_ruler) = (over(x, |spot| spot.x), over(y, |spot| spot.y));
            let size_ruler = over(size, |spot| spot.size);
            let rulers = [&x_ruler, &y_ruler, &size_ruler];
            each(panels, id, &y.title, &|panel| svg::marks(&panel.items, rulers, executors), &|panel| {
                left_out(&panel.items, executors)
            })
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
                    desc id={ (title) "d" } { @if !y_title.is_empty() { (words::capital(y_title)) ". " } "The table below the charts has all values." }
                    (drawn(&elements))
                }
                (below(panel))
            }
        }
    }
}

/// The executors without a mark, and why.
fn left_out(marks: &[Mark], executors: &[Executor]) -> Markup {
    html! {
        @if marks.iter().any(|mark| mark.spot.is_err()) {
            ul.notes {
                @for (executor, reason) in marks.iter().filter_map(|mark| Some((mark.executor, mark.spot.as_ref().err()?))) {
                    li { (swatch(&executors[executor])) (executors[executor].name) " is left out: " (reason) }
                }
            }
        }
    }
}

fn notes(lines: &[Line], executors: &[Executor]) -> Markup {
    html! {
        @if lines.iter().any(|line| line.note.is_some()) {
            ul.notes {
                @for (note, executor) in lines.iter().filter_map(|line| Some((line.note.as_ref()?, line.executor?))) {
                    li { (swatch(&executors[executor])) (executors[executor].name) ": " (note) }
                }
            }
        }
    }
}
